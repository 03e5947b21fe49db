"""Recorded trajectories as episodes: MINT's results.jsonl, and the files that this project's stages write."""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lemur.agents.episodes.environment import Message, Step
from lemur.agents.episodes.episode import Episode, Turn, from_record
from lemur.agents.published import messages
from lemur.benchmark_items.mint import (
    COUNTS,
    HUMANEVAL_SENTENCE,
    THEOREMQA_SENTENCE,
    Task,
    answer_type,
    group,
    raw_options,
)
from lemur.core.records import Record
from lemur.sources.reading.values import decode

ENDED = {"task_success": "solved", "max_propose_steps": "proposals", "max_steps": "turns", "error": "context"}
"""Why an episode ended, by MINT's `terminate_reason`."""
Items = Mapping[str, Task]
"""By id, such as gsm8k/0."""


@dataclass(frozen=True)
class Recorded:
    """A trajectory. `recorded`: its verdicts by rule, as they stand in the file; published ones have only `paper`.
    `item`: what its proposals are judged by; `None` for a game of ALFWorld. `reference`: the answer, or ALFWorld's
    plan; `kind`: ALFWorld's type of task. `published`: by MINT, which counts errors of the environment as failures."""

    where: str
    task: str
    episode: Episode
    recorded: Mapping[str, bool]
    item: Task | None
    reference: str = ""
    kind: str = ""
    published: bool = False

    def record(self, solved: Mapping[str, bool | None]) -> Record:
        """As this project's stages write episodes."""
        more = {"task": self.task, "group": group(self.task), "reference": self.reference, "solved": dict(solved)}
        return {**self.episode.record(), **more}


def read(path: Path, task: str | None, items: Items | None = None, *, name: str | None = None) -> Iterator[Recorded]:
    """The trajectories in a file of JSON lines. `task`: of a published file, where only its folder says it.

    `items` are used instead of what the file says. `name`: what to call the file, by default its path. Raises
    `ValueError` naming file and line."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            where = f"{name or path}:{number}"
            if not line.strip():
                continue
            try:
                record = decode(line)
                if "turns" in record:
                    yield _own(where, record, items or {})
                else:
                    yield _published(where, record, task, items or {})
            except KeyError as error:
                raise ValueError(f"{where}: no {error}; {_ALLOWED}") from None
            except (TypeError, ValueError, AttributeError, IndexError) as error:
                raise ValueError(f"{where}: {error}; {_ALLOWED}") from None


_ALLOWED = "expected are MINT's results.jsonl ({state: {history, ...}, task: {...}}) or this project's episodes"


def _published(where: str, record: Record, task: str | None, items: Items) -> Recorded:
    state, about = record["state"], record["task"]
    kind = str(about.get("task_name", ""))
    name = "alfworld" if kind.startswith("alfworld") else kind if kind in COUNTS else task
    if name not in COUNTS:
        raise ValueError(f"task {name!r}, known from the file's folder, is none of {', '.join(COUNTS)}")
    number = about["task_id"] if "task_id" in about else about["id"]
    episode = _episode(f"{name}/{number}", state)
    reference = about["reference"]
    item = None
    if name != "alfworld":
        item = items.get(episode.id) or item_of(
            where, name, episode.id, about["prompt"], reference, about.get("metadata")
        )
    if not isinstance(state["success"], bool):
        raise TypeError(f"success is {state['success']!r:.50}; true or false is allowed")
    kind = kind.partition("/")[2] if name == "alfworld" else ""
    return Recorded(where, name, episode, {"paper": state["success"]}, item, str(reference), kind, published=True)


def item_of(where: str, task: str, id: str, prompt: str, reference: Any, metadata: Record | None = None) -> Task:
    """The item that a trajectory's own fields describe."""
    if task == "mmlu" and "Options: " not in prompt and metadata:
        listed = " , ".join(f"{letter.upper()} ) {text}" for letter, text in metadata["options"].items())
        prompt = f"{prompt}\nOptions: {listed}"
    if task == "mmlu":
        raw_options(prompt)
    sentences = {"theoremqa": THEOREMQA_SENTENCE, "humaneval": HUMANEVAL_SENTENCE}
    prompt = prompt.removeprefix(sentences.get(task, ""))
    if task == "theoremqa":
        return Task(where, task, id, prompt, reference, answer_type(reference))
    return Task(where, task, id, prompt, str(reference))


def _episode(id: str, state: Record) -> Episode:
    """MINT writes no message for an empty answer, and no observation after the last one."""
    history = [{"role": str(message["role"]), "content": str(message["content"])} for message in state["history"]]
    first = next((place for place, message in enumerate(history) if message["role"] == "assistant"), len(history))
    while first > 1 and history[first - 1]["content"].startswith("Observation:\n"):
        first -= 1
    episode, answer = Episode(id, history[:first]), None
    left: Mapping[str, int] = {}
    for message in history[first:]:
        if message["role"] == "assistant":
            if answer is not None:
                episode = episode.add(_turn(answer, ""))
            answer = messages.answer(message["content"])
        else:
            episode = episode.add(_turn(answer or "", message["content"]))
            left, answer = episode.turns[-1].step.left or left, None
    error, reason = state.get("error"), str(state.get("terminate_reason") or "unfinished")
    if error and "context length" not in str(error):
        return episode.end("fault", str(error).strip().splitlines()[-1])
    reason = ENDED.get(reason, reason)
    return episode.end(reason) if reason == "context" else episode.add(_last_turn(answer or "", left, reason))


def _last_turn(answer: str, left: Mapping[str, int], reason: str) -> Turn:
    """`left`: before this turn."""
    turn = _turn(answer, "")
    if left:
        left = {"turns": left["turns"] - 1, "proposals": left["proposals"] - (messages.SOLUTION in answer)}
    return replace(turn, step=replace(turn.step, left=left, ended=reason))


def _turn(answer: str, message: str) -> Turn:
    observation, left, feedback = messages.observation(message) if message else ("", {}, "")
    return Turn(answer, "unknown", Step(messages.action(answer), observation, left=left), feedback, message)


def _own(where: str, record: Record, items: Items) -> Recorded:
    episode, task = from_record(record), record["task"]
    if task not in COUNTS:
        raise ValueError(f"task {task!r} is none of {', '.join(COUNTS)}")
    item = None
    if task != "alfworld":
        reference = _literal(record["reference"]) if task == "theoremqa" else record["reference"]
        prompt = _task_text(episode.messages)
        item = items.get(episode.id) or item_of(where, task, episode.id, prompt, reference)
    return Recorded(where, task, episode, record["solved"], item, str(record["reference"]))


def _task_text(prompt: list[Message] | Any) -> str:
    """The task in the first message, which follows instructions and an example."""
    return str(prompt[-1]["content"].rpartition("Task:\n")[2]).strip()


def _literal(reference: Any) -> Any:
    """TheoremQA's reference, written as JSON or as Python."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(reference)
        except (ValueError, SyntaxError, TypeError):
            pass
    return reference
