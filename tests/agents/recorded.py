"""Recorded trajectories for tests: MINT's published ones, and hand-made ones in its format."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from lemur.agents.published.folders import Setting, find
from lemur.agents.published.rescore import Scored, rescore
from lemur.agents.published.trajectories import Recorded, read
from lemur.benchmark_items.mint import GROUPS, Task
from lemur.benchmark_items.mint import read as read_items
from lemur.core.records import Record
from lemur.sources.fetched import FetchedFile
from lemur.sources.reading.rows import readable

MODELS = ("lemur-70b-chat-v1", "Llama-2-70b-chat-hf", "CodeLlama-34b-Instruct-hf", "gpt-3.5-turbo-0613")
TASKS = (*GROUPS["reasoning"], *GROUPS["code"])


def mirror() -> Path:
    """MINT's folder in the mirror; skips the test without one."""
    folder = os.environ.get("LEMUR_MIRROR")
    if not folder:
        pytest.skip("LEMUR_MIRROR is not set, so there are no published trajectories")
    return Path(folder, "mint")


def published_items(task: str) -> list[Task]:
    return readable(read_items(FetchedFile(mirror(), f"processed/{task}/test_prompts.json", "mint", "", {})))


@cache
def published(model: str) -> Mapping[Setting, Sequence[Scored]]:
    """A model's published trajectories scored again, without those that contain programs."""
    recorded = [
        (log.setting, one)
        for log in find(mirror() / f"outputs_{model}")
        if log.task not in GROUPS["code"]
        for one in read(log.path, log.task)
    ]
    runs: dict[Setting, list[Scored]] = {}
    for (setting, _), scored in zip(recorded, rescore([one for _, one in recorded]), strict=True):
        runs.setdefault(setting, []).append(scored)
    return runs


def with_programs(model: str, feedback: str | None = None, turns: int | None = None) -> list[Recorded]:
    """The others, of one setting or of all, as recorded."""
    return [
        one
        for log in find(mirror() / f"outputs_{model}")
        if log.task in GROUPS["code"]
        and feedback in (None, log.setting.feedback)
        and turns in (None, log.setting.turns)
        for one in read(log.path, log.task)
    ]


def row(
    answers: Sequence[str],
    *,
    reference: object = "6",
    prompt: str = "How many?",
    success: bool = False,
    reason: str = "max_propose_steps",
    number: int | str = 0,
    name: str = "reasoning",
    error: str | None = None,
    feedback: str = "",
) -> Record:
    """A line of results.jsonl. An answer is logged with the observation that followed; the last one without."""
    history = [{"role": "user", "content": f"Instructions\n---\nTask:\n{prompt}\n"}]
    proposals = 0
    for place, answer in enumerate(answers, 1):
        proposals += "<solution>" in answer
        if answer:
            history.append({"role": "assistant", "content": f"Assistant:\n{answer}\n"})
        if place < len(answers) or error:
            left = f"You have {5 - place} steps left and {2 - proposals} chances to propose solution left.\n"
            history.append({"role": "user", "content": f"Observation:\nYour answer is wrong.\n{left}{feedback}"})
    state = {"history": history, "success": success, "terminate_reason": reason, "error": error}
    task = {"task_name": name, "task_id": number, "prompt": prompt, "reference": reference, "metadata": {}}
    return {"state": state, "task": task}


def write(folder: Path, task: str, rows: Sequence[Record], setting: str = "F=None/max5_p2+tool+cd") -> Path:
    """The results.jsonl of a model's task, in MINT's layout below `folder`."""
    path = folder / setting / "type" / task / "results.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in rows), encoding="utf-8")
    return path
