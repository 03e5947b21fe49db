"""MINT's items: typed, and with the prompts that MINT's own logs show."""

import json
from pathlib import Path

import pytest

from lemur.benchmark_items.mint import COUNTS, Task, read
from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from tests.agents.recorded import TASKS, mirror, published_items

OPTIONS = "Which?\nOptions: A ) 6 , B ) (0,1) , C ) x , D ) y"


def one(tmp_path: Path, task: str, record: Record) -> Task | BadRecord:
    path = tmp_path / task / "test_prompts.json"
    path.parent.mkdir()
    path.write_text(json.dumps(record), encoding="utf-8")
    (item,) = read(FetchedFile(tmp_path, f"{task}/test_prompts.json", "mint", "", {}))
    return item


@pytest.mark.parametrize(
    ("task", "record", "task_prompt"),
    [
        ("gsm8k", {"id": 3, "prompt": " How many? ", "reference": "6"}, "How many?"),
        ("hotpotqa", {"id": 3, "prompt": "Who?\n", "reference": "Ann"}, "Who?"),
        (
            "theoremqa",
            {"id": 3, "prompt": " Is it? ", "reference": True, "answer_type": "bool"},
            "Answer the following question with a number, a list of numbers or True or False. Is it?",
        ),
        ("mmlu", {"id": 3, "prompt": OPTIONS, "reference": "b"}, OPTIONS),
        (
            "humaneval",
            {
                "id": 3,
                "prompt": "def f():\n",
                "reference": "check(f)",
                "entry_point": "f",
                "canonical_solution": " pass",
            },
            "Complete the following code:\n\ndef f():\n",
        ),
        (
            "mbpp",
            {"id": 3, "prompt": '"""\nWrite f.\n"""\n', "reference": "assert f()", "code": "f", "test_setup_code": ""},
            "Write f.",
        ),
    ],
)
def test_the_task_is_put_as_mint_puts_it(task: str, record: Record, task_prompt: str, tmp_path: Path) -> None:
    item = one(tmp_path, task, record)
    assert isinstance(item, Task)
    assert (item.id, item.task, item.task_prompt) == (f"{task}/3", task, task_prompt)
    assert item.reference == record["reference"]


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        ("gsm8k", {"reference": 6}, "reference is 6; a string"),
        ("gsm8k", {"id": True}, "id is True; an integer or a string"),
        ("mmlu", {"prompt": "Which?"}, "'Options: A ) text , B ) text' is allowed"),
        ("mmlu", {"prompt": OPTIONS, "reference": "e"}, "'e' is none of the options"),
        ("theoremqa", {"reference": None}, "reference is None; allowed are bool"),
        ("theoremqa", {"reference": 1.5, "answer_type": "integer"}, "answer_type is 'integer'"),
    ],
)
def test_what_cannot_be_used_is_named(task: str, change: Record, message: str, tmp_path: Path) -> None:
    item = one(tmp_path, task, {"id": 0, "prompt": "What?", "reference": "6", **change})
    assert isinstance(item, BadRecord) and message in item.detail


def test_options_keep_what_follows_their_first_bracket(tmp_path: Path) -> None:
    item = one(tmp_path, "mmlu", {"id": 0, "prompt": OPTIONS, "reference": "b"})
    assert isinstance(item, Task) and item.options == {"a": "6", "b": "(0,1)", "c": "x", "d": "y"}


@pytest.mark.parametrize("task", TASKS)
def test_prompts_are_those_in_the_published_logs(task: str) -> None:
    items = {item.id: item for item in published_items(task)}
    assert len(items) == COUNTS[task]
    (path,) = mirror().glob(f"outputs_lemur-70b-chat-v1/F=None/max5_p2*/*/{task}/results.jsonl")
    for line in path.read_text(encoding="utf-8").splitlines():
        logged = json.loads(line)["task"]
        item = items[f"{task}/{logged['task_id']}"]
        assert item.task_prompt == logged["prompt"]
        assert str(item.reference).strip().lower() == str(logged["reference"]).strip().lower()
