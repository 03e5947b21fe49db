"""One process of bare TextWorld, as AlfredTWEnv uses it, for benchmarks/alfworld.py: reads [[file, [command, ...]], ...] and writes
what the games say and how they end. Runs in .venv-agents."""

import json
import os
import sys
import time

replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import textworld  # noqa: E402
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler, AlfredInfos  # noqa: E402
from textworld.gym.envs import TextworldGymEnv  # noqa: E402

results = []
games = json.load(sys.stdin)
start = time.perf_counter()
for file, commands in games:
    infos = textworld.EnvInfos(won=True, admissible_commands=True, extras=["gamefile"])
    wrappers = [AlfredDemangler(shuffle=False), AlfredInfos]
    env = TextworldGymEnv([file], infos, max_episode_steps=50, wrappers=wrappers)
    texts, won, done = [env.reset()[0]], False, False
    for command in commands:
        text, _, done, info = env.step(command)
        texts.append(text)
        won = bool(info["won"])
    results.append([texts, bool(done), won])
    env.close()
json.dump({"seconds": time.perf_counter() - start, "games": results}, replies)
