"""The stage: skipped where it has to be, equal bytes with any number of workers, scores as the episodes say."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from lemur.agents import webarena as stage
from lemur.agents.web.process import why_missing
from lemur.core.records import Record, read_json, read_jsonl, write_json
from tests.agents.webarena.scripts import BUNDLED, message, own_tasks, scripts
from tests.evaluation.conftest import ASK_FOR_ANSWERS, Oracle

JUDGE: Record = {"backend": "jax", "max_new_tokens": 20, "context": None}
PARAMS: Record = ASK_FOR_ANSWERS | {
    "turns": 30,
    "actions": "programming",
    "style": "reasoning",
    "observation_tokens": 1920,
    "max_new_tokens": 50,
    "judge": JUDGE,
}
SAMPLE = (3, 4, 5, 16, 33)


class Scripted(Oracle):
    """Plays the scripts of tasks by their objective, and judges everything correct."""

    def __init__(self, kind: str) -> None:
        super().__init__(self._answer)
        self.lines = {task.intent: iter(scripts()[str(task.task_id)][kind]) for task in own_tasks()}

    def _answer(self, prompt: str) -> str:
        if "Help a teacher" in prompt:
            return "correct"
        page = prompt[prompt.rfind("OBSERVATION:") :]
        objective = re.search(r"\nOBJECTIVE: (.*)\nPREVIOUS ACTION: ", page)
        assert objective
        return message(next(self.lines[objective[1]]), page, "programming")


def source(folder: Path, numbers: Sequence[int], *, own: bool = True) -> Path:
    """A fetched source with these tasks of the project."""
    files = folder / "files"
    files.mkdir(parents=True)
    tasks = json.loads((BUNDLED / "tasks.json").read_text(encoding="utf-8"))
    write_json(files / "tasks.json", [task for task in tasks if task["task_id"] in numbers])
    shutil.copy(BUNDLED / "prompts.json", files)
    meta: Record = {"prompts": "prompts.json", **({"sites": "own"} if own else {})}
    entries = [
        {"path": "tasks.json", "schema": "webarena", "meta": meta},
        {"path": "prompts.json", "schema": "companion", "meta": {}},
    ]
    common = {"licence": "MIT", "sha256": "", "bytes": 0}
    head = {"name": "webarena", "title": "", "place": "bundled", "revision": "1", "licence": "MIT"}
    write_json(folder / "source.json", {**head, "files": [{**entry, **common} for entry in entries]})
    return folder


def run(folder: Path, benchmark: Path, kind: str = "solution", **changed: object) -> tuple[Path, Path]:
    result, samples = folder / "result.json", folder / "samples.jsonl"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "open_model", lambda *arguments: Scripted(kind))
        patch.setattr(stage, "open_judge", lambda *arguments: Scripted(kind))
        params = stage.Params.model_validate(PARAMS | changed)
        stage.webarena(params, Path("model"), Path("judge"), benchmark, result=result, samples=samples)
    return result, samples


def test_without_tasks_it_is_skipped(tmp_path: Path) -> None:
    write_json(tmp_path / "source.json", {
        **{"name": "webarena", "title": "", "place": "none", "revision": "", "licence": "", "files": []}
    })  # fmt: skip
    result, _ = run(tmp_path / "out", tmp_path)
    assert read_json(result)["results"]["webarena"] == {"skipped": "the source webarena is left out"}


def test_without_the_extra_it_is_skipped_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "why_missing", lambda: "its libraries are not installed (make agents)")
    result, samples = run(tmp_path / "out", source(tmp_path / "source", SAMPLE))
    assert "make agents" in read_json(result)["results"]["webarena"]["skipped"]
    assert not samples.read_bytes()


def test_without_sites_it_is_skipped_and_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "why_missing", lambda: None)
    monkeypatch.delenv("SHOPPING", raising=False)
    result, _ = run(tmp_path / "out", source(tmp_path / "source", SAMPLE, own=False))
    reason = read_json(result)["results"]["webarena"]["skipped"]
    assert reason.startswith("0 of 5 tasks runnable") and "SHOPPING (3 tasks)" in reason


@pytest.mark.skipif(bool(why_missing()), reason=str(why_missing()))
def test_scores_and_equal_bytes_with_one_and_two_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = source(tmp_path / "source", SAMPLE)
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    result, samples = run(tmp_path / "one", benchmark)
    scores = read_json(result)["results"]
    assert scores["webarena"]["success,paper"] == scores["webarena"]["success,strict"] == 1.0
    assert scores["webarena"]["always_na"] == {"success,paper": 0.2, "success,strict": 0.2}
    assert scores["webarena_reddit"]["episodes"] == 1
    assert read_json(result)["configs"]["webarena"]["runnable"] == 5
    assert [row["id"] for row in read_jsonl(samples)] == [f"webarena/{number}" for number in SAMPLE]
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    again = run(tmp_path / "two", benchmark)
    assert [path.read_bytes() for path in again] == [result.read_bytes(), samples.read_bytes()]


@pytest.mark.skipif(bool(why_missing()), reason=str(why_missing()))
def test_the_order_of_tasks_changes_no_episode(tmp_path: Path) -> None:
    both = [run(tmp_path / str(numbers), source(tmp_path / f"s{numbers}", numbers)) for numbers in ((4, 16), (16,))]
    episodes = [{row["id"]: row for row in read_jsonl(samples)} for _, samples in both]
    assert episodes[0]["webarena/16"] == episodes[1]["webarena/16"]
