"""Play ALFWorld's games with TextWorld, in .venv-agents: requests and replies are JSON lines (see textworld_game.py).

    {"open": game, "file": path, "steps": limit}    {"text": what TextWorld shows first}
    {"command": text, "game": game}                 {"text": ..., "done": ..., "won": ...}
    {"close": game}                                 {}

A request that fails is answered with {"error": text}. Ends when its standard input does.
"""

import functools
import json
import os
import sys

import fast_downward
import textworld
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
from textworld.envs.pddl import textgen
from textworld.gym.envs import TextworldGymEnv


def translate_once() -> None:
    """TextWorld translates a problem into the planner's format four times for each game: when it loads it and when it
    starts it, and each time also for a planner that only its hints need. Once is enough (0.4 of 2 s)."""
    translated = functools.lru_cache(maxsize=1)(fast_downward.pddl2sas)
    fast_downward.pddl2sas = lambda domain, problem, **options: translated(domain, problem)


def parse_once() -> None:
    """TextWorld parses the texts' templates again for each possible command after each step (a third of a step)."""
    from copy import deepcopy

    parsed = functools.lru_cache(maxsize=4096)(textgen._parse_and_convert)
    # Its callers change the result.
    textgen._parse_and_convert = lambda text, rule_name, **_: deepcopy(parsed(text, rule_name=rule_name))
    textgen.Rule.parse_conjunctive_query = functools.lru_cache(maxsize=4096)(textgen.Rule.parse_conjunctive_query)


def main() -> None:
    # Only replies go to standard output, whatever the libraries print.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    translate_once()
    parse_once()
    games: dict[int, TextworldGymEnv] = {}
    for line in os.fdopen(os.dup(0), encoding="utf-8"):
        try:
            reply = answer(games, json.loads(line))
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:500]}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def answer(games: dict[int, TextworldGymEnv], request: dict) -> dict:
    if "open" in request:
        # As AlfredTWEnv does, without its search through all games.
        env = TextworldGymEnv(
            [request["file"]],
            textworld.EnvInfos(won=True),
            max_episode_steps=request["steps"],
            wrappers=[AlfredDemangler(shuffle=False)],
        )
        games[request["open"]] = env
        return {"text": env.reset()[0]}
    if "close" in request:
        games.pop(request["close"]).close()
        return {}
    text, _, done, infos = games[request["game"]].step(request["command"])
    return {"text": text, "done": bool(done), "won": bool(infos["won"])}


if __name__ == "__main__":
    sys.exit(main())
