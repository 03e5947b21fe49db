"""Runs evaluation stages by their command in a clone, with a tiny model and small benchmarks."""

import json
from pathlib import Path
from typing import Any

from tests.evaluation.test_stages import STAGES
from tests.exact.conftest import from_scratch, variables
from tests.tools import Project

PARAMS: dict[str, Any] = {task: params for _, params, task in STAGES}


def clone(folder: Path, **environment: str) -> Project:
    """A clone of HEAD at scale tiny, nothing built."""
    project = Project(folder / "clone" / "lemur", {**variables(folder), **environment})
    from_scratch(project)
    return project


def command(project: Project, task: str, model: Path, benchmarks: Path, into: Path, **changed: object) -> list[str]:
    """The `lemur run` command of the stage `task`, with the tests' parameters except those `changed`. It writes
    TASK.json and TASK.jsonl `into` a folder."""
    block = f"{task}_{len((project.root / 'params.yaml').read_text(encoding='utf-8'))}"
    params = PARAMS[task].model_dump(mode="json") | changed
    with (project.root / "params.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\n{block}: {json.dumps(params)}\n")
    paths = {
        "model": model,
        "benchmark": benchmarks / task,
        "result": into / f"{task}.json",
        "samples": into / f"{task}.jsonl",
    }
    named = [f"{name}={path}" for name, path in paths.items()]
    return ["env", "PYTHONPATH=src", "python", "-m", "lemur", "run", f"evaluation.{task}", "--params", block, *named]
