"""The same model gives the same episodes, whatever the number of workers and the order of the tasks."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from lemur import sandbox
from lemur.agents import intercode_bash, intercode_ctf, intercode_sql
from lemur.agents.intercode.bash import roots
from lemur.agents.intercode.sql import mariadb
from lemur.benchmark_items.intercode import Task, tasks
from lemur.core.records import dump
from tests.agents.intercode.tools import play


def needs(reason: str | None) -> pytest.MarkDecorator:
    return pytest.mark.skipif(reason is not None, reason=str(reason))


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        pytest.param(intercode_sql, {"server": "sqlite"}, marks=needs(sandbox.why_unavailable()), id="sqlite"),
        pytest.param(intercode_sql, {"server": "mariadb"}, marks=needs(mariadb.why_missing()), id="mariadb"),
        pytest.param(intercode_bash, {"root": "host"}, marks=needs(roots.why_no_namespaces()), id="bash"),
        pytest.param(intercode_ctf, {"root": "host"}, marks=needs(roots.why_no_namespaces()), id="ctf"),
    ],
)
def test_workers_and_order_change_no_episode(
    stage: ModuleType,
    place: dict[str, str],
    source: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each episode looks around, then gives a wrong answer, then the gold one."""
    language = stage.LANGUAGE.name
    look, wrong = {
        "sql": ("SHOW TABLES", "SELECT 'wrong'"),
        "bash": ("ls -l --full-time /yard", "echo wrong > /wrong.txt"),
        "ctf": ("ls -l", "submit wrong"),
    }[language]

    def says(task: Task, prompt: str) -> str:
        gold = f"submit {task.gold}" if language == "ctf" else task.gold
        answer = gold if wrong in prompt else wrong if look in prompt else look
        return answer if language == "ctf" else f"```{language}\n{answer}\n```"

    runs = {}
    for name, workers in (("one", "1"), ("two", "2"), ("reversed", "2")):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        if name == "reversed":
            monkeypatch.setattr(stage, "read_tasks", lambda *named: dict(reversed(tasks(*named).items())))
        runs[name] = play(stage, says, source("intercode"), tmp_path / name, monkeypatch, turns=4, **place)
    assert runs["one"] == runs["two"]
    assert sorted(map(dump, runs["reversed"][1])) == sorted(map(dump, runs["one"][1]))
    assert {each["ended"] for each in runs["one"][1]} <= {"solved", "turns", "submitted"}
    assert len(runs["one"][1][0]["turns"]) >= 3
