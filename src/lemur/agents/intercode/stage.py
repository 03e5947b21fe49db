"""What the three InterCode stages share: parameters, the prompt, and from tasks to the result file."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import Field

from lemur.agents.acting import open_model, write
from lemur.agents.episodes.environment import Action, Message, Step
from lemur.agents.episodes.episode import Episode
from lemur.agents.episodes.play import Asking, play
from lemur.agents.episodes.results import Finished
from lemur.agents.intercode.game import Game, Machine, Rules, split
from lemur.agents.intercode.texts import Texts, read_texts
from lemur.benchmark_items.intercode import Task
from lemur.core import workers
from lemur.core.records import Record
from lemur.evaluation.harness.asking import choose
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.result import origin
from lemur.evaluation.harness.scores import Scores, scored
from lemur.inference.interface import Model
from lemur.sources.fetched import Fetched

STOP = ("<|im_start|>", "<|im_end|>", "Observation:", "Task:", "Output:")
WITHOUT_REWARDS = " without rewards"
"""Ends the id of an episode in which no reward is shown."""
PLAIN = {"system": "System", "user": "Human", "assistant": "Assistant"}


class InterCodeParams(GenerateParams):
    turns: int = Field(description="messages of the model in an episode (paper: 10)", gt=0)
    dialogue_limit: int = Field(
        description="messages that a prompt keeps besides the first two (paper: 5 in SQL, 7 in Bash and CTF)", gt=0
    )


@dataclass(frozen=True)
class Language:
    """A kind of InterCode. `parse` and `parse_strict` read a command in an answer; `prefill`: the first word of each
    answer; `strict`: whether episodes without rewards are played beside the paper's."""

    name: str
    parse: Callable[[str], Action]
    parse_strict: Callable[[str], Action]
    prefill: str = ""
    strict: bool = True

    def said(self, answer: str, action: Action) -> str:
        """An answer as later prompts show it."""
        if self.prefill:
            return f"{self.prefill} {action.text}"
        return f"```{self.name}\n{action.text}\n```" if action.kind == "tool" else answer

    def rules(self, rule: str, turns: int) -> Rules:
        return Rules(rule if self.strict else "both", turns, self.parse_strict if rule == "strict" else self.parse)


@dataclass(frozen=True)
class InterCodeWorld:
    """A task by one rule; `start` makes the machine of an episode."""

    name: str
    task: Task
    texts: Texts
    schema: Mapping[str, Sequence[str]] | None
    rules: Rules
    start: Callable[[], Machine]

    @property
    def id(self) -> str:
        return self.name + (WITHOUT_REWARDS if self.rules.rule == "strict" else "")

    def open(self) -> Game:
        return Game(self.texts.opening(self.task.query, self.schema), self.texts, self.rules, self.start)

    def message(self, step: Step, feedback: str) -> str:
        output, reward = split(step)
        return self.texts.answer(self.task.query, output, reward)


@dataclass(frozen=True)
class Assignment:
    """A task with its name, the group that it is scored in, its schema and what starts its machine by a rule."""

    name: str
    group: str
    task: Task
    schema: Mapping[str, Sequence[str]] | None
    start: Callable[[str], Machine]


Assign = Callable[[str, Task], Assignment]
"""Prepares a task, given its name."""


def run(
    name: str,
    params: InterCodeParams,
    language: Language,
    model: Path,
    source: Fetched,
    tasks: Mapping[str, Task],
    assign: Assign,
    config: Record,
    *,
    result: Path,
    samples: Path,
) -> None:
    """Play a seeded choice of `tasks` of `source`, each as `assign` prepares it; write the result and one episode a
    line. `config`: what the result says of the environment."""
    player = open_model(params, model, name, partial(prompt, params, language))
    chosen = choose_tasks(params, tasks, assign)
    finished = act(params, language, player, read_texts(source, language.name), chosen)
    write(
        name,
        params,
        player,
        finished,
        results(name, finished),
        shots=0,
        original=len(tasks),
        effective=len(chosen),
        config={**config, "data": origin(source, name), "stop": asking(params, language).stop},
        result=result,
        samples=samples,
    )


def choose_tasks(params: InterCodeParams, tasks: Mapping[str, Task], assign: Assign) -> list[Assignment]:
    return [assign(name, tasks[name]) for name in choose(list(tasks), params.limit, params.seed, lambda name: name)]


def prompt(params: InterCodeParams, language: Language, model: Model, episode: Episode) -> str:
    """The first two messages and the last `dialogue_limit`."""
    messages: list[Message] = []
    for turn in episode.turns:
        messages.append({"role": "assistant", "content": language.said(turn.answer, turn.step.action)})
        messages.append({"role": "user", "content": turn.message})
    messages = [*episode.messages, *messages[-params.dialogue_limit :]]
    if params.in_chat(model):
        return model.chat_prompt(messages, prefill=language.prefill)
    text = "".join(f"\n\n{PLAIN[each['role']]}: {each['content']}" for each in messages)
    return f"{text}\n\nAssistant: {language.prefill}".rstrip()


def asking(params: InterCodeParams, language: Language) -> Asking:
    return Asking(partial(prompt, params, language), params.max_new_tokens, params.stops(STOP))


def act(
    params: InterCodeParams, language: Language, model: Model, texts: Texts, assignments: Sequence[Assignment]
) -> list[Finished]:
    """Play each assignment by the paper's rule, and where `language.strict` once more without rewards."""
    rules = ("paper", "strict") if language.strict else ("paper",)
    worlds = [
        InterCodeWorld(
            each.name,
            each.task,
            texts.without_reward() if rule == "strict" else texts,
            each.schema,
            language.rules(rule, params.turns),
            partial(each.start, rule),
        )
        for rule in rules
        for each in assignments
    ]
    episodes = play(model, worlds, asking(params, language), workers=workers.count() + 1)
    return [
        Finished(language.name, each.group, each.task.gold, params.turns, episode)
        for each, episode in zip([each for _ in rules for each in assignments], episodes, strict=True)
    ]


def results(name: str, finished: Sequence[Finished]) -> dict[str, Mapping[str, object]]:
    """Scores of all tasks and by group, and success within the first 1, 2, ... turns (paper, Figure 4)."""
    parts: defaultdict[str, list[Finished]] = defaultdict(list)
    for each in finished:
        parts[name].append(each)
        if each.group:
            parts[f"{name}_{each.group}"].append(each)
    everything: dict[str, Mapping[str, object]] = {part: success(parts[part]) for part in sorted(parts)}
    counted = [each.episode for each in parts[name] if each.episode.fault is None and not _strict(each)]
    most = max((each.turns for each in finished), default=0)
    curve = {str(turns): within(counted, turns) for turns in range(1, most + 1)}
    return {**everything, name: {**everything.get(name, {}), "by_turns": curve}}


def success(finished: Sequence[Finished]) -> Scores:
    """`success,paper`: the best reward is 1; `success,strict` of the episodes without rewards, where there are any;
    `reward,paper`: mean of the best rewards. Episodes whose environment failed are left out."""
    counted = [each for each in finished if each.episode.fault is None]
    shown = [each.episode for each in counted if not _strict(each)]
    hidden = [each.episode for each in counted if _strict(each)]
    best = [rewards for episode in shown if (rewards := [float(split(turn.step)[1] or 0) for turn in episode.turns])]
    scores: Scores = {"episodes": float(len(shown))}
    scores |= scored("success", "paper", [float(episode.solved("paper")) for episode in shown])
    scores |= scored("success", "strict", [float(episode.solved("strict")) for episode in hidden or shown])
    if hidden:
        scores |= scored("reward", "paper", [max(rewards) for rewards in best])
    return scores


def within(episodes: Sequence[Episode], turns: int) -> Scores:
    """Success of the paper's rule if episodes had ended after so many turns."""
    solved = [any(turn.step.solved.get("paper") for turn in episode.turns[:turns]) for episode in episodes]
    return scored("success", "paper", [float(each) for each in solved])


def _strict(finished: Finished) -> bool:
    return finished.episode.id.endswith(WITHOUT_REWARDS)
