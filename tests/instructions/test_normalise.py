"""Stage `normalise`."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from lemur.core.records import read_json, read_jsonl
from lemur.instructions.normalise import Params, normalise
from lemur.sandbox import why_unavailable
from tests.instructions.builders import SOURCES, fetched

BASE: dict[str, Any] = {
    "system_turns": "keep",
    "html_sources": ["sharegpt"],
    "minimum_characters": 16,
    "blocked_phrases": [],
    "oasst_reviewed_only": True,
    "oasst_synthetic": False,
    "verify": "keep",
    "verify_timeout_s": 5,
    "verify_memory_mb": 256,
    "max_bad_share": 0.5,
}


def run(tmp_path: Path, files: dict[str, Any], **changes: Any) -> tuple[list[Any], list[Any], Any]:
    folders = [fetched(tmp_path / "raw" / name, name, files.get(name, {})) for name in SOURCES]
    out = {name: tmp_path / f"{name}.out" for name in ("conversations", "rejects", "report")}
    normalise(Params.model_validate({**BASE, **changes}), folders, **out)
    return list(read_jsonl(out["conversations"])), list(read_jsonl(out["rejects"])), read_json(out["report"])


def sharegpt(*conversations: list[tuple[str, str]], ids: bool = False) -> dict[str, Any]:
    rows = [
        {"id": "same" if ids else str(i), "conversations": [{"from": role, "value": value} for role, value in turns]}
        for i, turns in enumerate(conversations)
    ]
    return {"sharegpt": {"a.json": ("sharegpt", rows, {"language": "en"})}}


Q, A = ("human", "What is a lemur?"), ("gpt", "A primate of Madagascar.")


def test_a_conversation(tmp_path: Path) -> None:
    (record,), rejects, report = run(tmp_path, sharegpt([("system", "Be brief."), Q, A]))
    assert record["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": Q[1]},
        {"role": "assistant", "content": A[1]},
    ]
    assert (record["source"], record["group"], record["licence"], record["language"]) == (
        "sharegpt",
        "text",
        "MIT",
        "en",
    )
    assert not rejects
    assert report["sources"] == {"sharegpt": {"in": 1, "out": 1, "dropped": {}}}


@pytest.mark.parametrize(
    ("turns", "expected", "dropped"),
    [
        ([A, Q, A], ["user", "assistant"], {"leading_answer": 1}),
        ([Q, A, Q], ["user", "assistant"], {"unanswered_question": 1}),
        (
            [Q, A, Q, ("gpt", " \u200b"), Q, A],
            ["user", "assistant"],
            {"from_empty_turn_on": 3, "unanswered_question": 1},
        ),
        ([("system", " "), Q, A], ["user", "assistant"], {}),
    ],
)
def test_single_turns_are_dropped_and_counted(tmp_path: Path, turns: Any, expected: Any, dropped: Any) -> None:
    (record,), _, report = run(tmp_path, sharegpt(turns))
    assert [message["role"] for message in record["messages"]] == expected
    assert report["dropped_turns"]["sharegpt"] == dropped


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([Q, Q, A], "role_order"),
        ([Q, A, ("system", "x"), Q], "role_order"),
        ([Q, ("function_call", "{}"), A], "tool_turn"),
        ([Q, ("narrator", "x")], "unknown_role"),
        ([("human", "<div>" * 340 + "What is 2 + 2?" + "</div>" * 340), A], "bad_markup"),
        ([Q, ("gpt", "<p>Four.<![x</p>")], "bad_markup"),
        ([A], "no_answered_question"),
        ([], "no_answered_question"),
        ([("human", "Hi"), ("gpt", "Hello")], "too_short"),
        ([Q, ("gpt", "I am ChatGPT, I cannot.")], "blocked_phrase"),
    ],
)
def test_conversations_are_dropped_with_a_reason(tmp_path: Path, turns: Any, reason: str) -> None:
    kept, (reject,), _ = run(tmp_path, sharegpt(turns), blocked_phrases=["chatgpt"])
    assert not kept
    assert (reject["reason"], reject["where"]) == (reason, "a.json:0")


def test_system_turns_can_be_dropped(tmp_path: Path) -> None:
    (record,), _, report = run(tmp_path, sharegpt([("system", "Be brief."), Q, A]), system_turns="drop")
    assert record["messages"][0]["role"] == "user"
    assert report["dropped_turns"]["sharegpt"] == {"system": 1}


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, ["human"]),
        ({"oasst_reviewed_only": False}, ["human", "unreviewed"]),
        ({"oasst_synthetic": True}, ["human", "model"]),
        ({"oasst_reviewed_only": False, "oasst_synthetic": True}, ["human", "unreviewed", "model"]),
    ],
)
def test_unreviewed_and_synthetic_messages_by_parameter(tmp_path: Path, changes: Any, kept: list[str]) -> None:
    def message(name: str, role: str, **fields: Any) -> dict[str, Any]:
        text = f"The words of the {name} message."
        return {"message_id": name, "role": role, "text": text, "lang": "en", "review_result": True, **fields}

    replies = [
        message("human", "assistant"),
        message("unreviewed", "assistant", review_result=False),
        message("model", "assistant", synthetic=True),
        message("deleted", "assistant", deleted=True),
    ]
    trees = [{"message_tree_id": "q", "prompt": message("question", "prompter", replies=replies)}]
    records, _, report = run(tmp_path, {"oasst1": {"a.jsonl": ("oasst_trees", trees, {})}}, **changes)
    assert [record["messages"][1]["content"].split()[4] for record in records] == kept
    assert report["sources"]["oasst1"]["dropped"]["deleted_message"] == 1


def test_duplicates(tmp_path: Path) -> None:
    _, rejects, _ = run(tmp_path / "content", sharegpt([Q, A], [Q, ("gpt", f"  {A[1]}\n")]))
    assert [reject["reason"] for reject in rejects] == ["duplicate"]
    _, rejects, _ = run(tmp_path / "id", sharegpt([Q, A], [Q, A, Q, A], ids=True))
    assert [reject["reason"] for reject in rejects] == ["duplicate_id"]


def test_content_dropped_for_a_repeated_id_is_kept_under_another_id(tmp_path: Path) -> None:
    other = [Q, ("gpt", "A ghost of the Romans.")]
    files = sharegpt([Q, A], other, other, ids=True)
    files["sharegpt"]["a.json"][1][2]["id"] = "another"
    records, rejects, _ = run(tmp_path, files)
    assert [record["messages"][1]["content"] for record in records] == [A[1], other[1][1]]
    assert [reject["reason"] for reject in rejects] == ["duplicate_id"]


def test_ids_do_not_depend_on_order(tmp_path: Path) -> None:
    conversations = [[("human", f"Question number {i}?"), A] for i in range(20)]
    first, _, _ = run(tmp_path / "a", sharegpt(*conversations))
    random.Random(1).shuffle(conversations)
    second, _, _ = run(tmp_path / "b", sharegpt(*conversations))
    assert {r["id"]: r for r in first} == {r["id"]: r for r in second}


def test_too_many_bad_records_are_an_error(tmp_path: Path) -> None:
    lines = '{"id": 1}\n' * 3 + json.dumps(
        {"messages": [{"role": r, "content": "x" * 20} for r in ("user", "assistant")]}
    )
    files = {"oasst1": {"a.jsonl": ("messages", lines, {})}}
    with pytest.raises(ValueError, match="3 of 4 records are malformed"):
        run(tmp_path / "a", files, max_bad_share=0.7)
    kept, rejects, _ = run(tmp_path / "b", files, max_bad_share=0.75)
    assert len(kept) == 1
    assert {(reject["reason"], reject["where"]) for reject in rejects} == {
        ("missing_field", f"a.jsonl:{i}") for i in (1, 2, 3)
    }


def problem(name: str, solution: str, tests: str) -> dict[str, str]:
    return {
        "id": name,
        "prompt": f"Write f, please ({name}).",
        "solution": solution,
        "tests": tests,
        "entry_point": "f",
    }


PROBLEMS = [
    problem("right", "def f(x):\n    return x + 1", "assert f(1) == 2"),
    problem("wrong", "def f(x):\n    return x", "assert f(1) == 2"),
    problem("other name", "def g(x):\n    return x + 1", "assert g(1) == 2"),
    problem("quits", "import os\ndef f(x):\n    os._exit(0)", "assert f(1) == 2"),
]


def test_python_is_verified_in_the_sandbox(tmp_path: Path) -> None:
    if why_unavailable():
        pytest.skip(why_unavailable())
    files = {"verified_python": {"a.jsonl": ("problems", PROBLEMS, {})}}
    (record,), rejects, _ = run(tmp_path, files, verify="run")
    assert "(right)" in record["messages"][0]["content"]
    assert [reject["reason"] for reject in rejects] == ["tests_failed", "tests_failed", "tests_ended"]
    assert "AssertionError" in rejects[0]["detail"]


def test_only_answers_that_pass_their_own_tests_are_kept(tmp_path: Path) -> None:
    if why_unavailable():
        pytest.skip(why_unavailable())
    rows = [
        {"instruction": f"Write f ({name}).", "output": f"```python\ndef f(x):\n    return x + 1\n\n{test}\n```"}
        for name, test in (("right", "assert f(1) == 2"), ("wrong", "assert f(1) == 3"), ("without", "print(f(1))"))
    ]
    files = {source: {"a.json": ("evol_instruct", rows, {})} for source in ("verified_python", "evol_codealpaca")}
    kept, rejects, report = run(tmp_path, files, verify="run")
    assert [r["messages"][0]["content"] for r in kept if r["source"] == "verified_python"] == ["Write f (right)."]
    assert sorted(reject["reason"] for reject in rejects) == ["no_tests", "tests_failed"]
    assert all(reject["record"]["messages"] for reject in rejects)
    assert report["sources"]["evol_codealpaca"]["out"] == 3  # other sources are not judged


def test_verify_without_running(tmp_path: Path) -> None:
    files = {"verified_python": {"a.jsonl": ("problems", PROBLEMS, {})}}
    kept, rejects, _ = run(tmp_path / "drop", files, verify="drop")
    assert not kept
    assert {reject["reason"] for reject in rejects} == {"not_run"}
    kept, _, _ = run(tmp_path / "keep", files, verify="keep")
    assert len(kept) == 4


def test_a_machine_without_sandbox_stops_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lemur.sandbox

    def unavailable(*_: Any, **__: Any) -> Any:
        raise lemur.sandbox.Unavailable("no sandbox works on this machine")

    monkeypatch.setattr(lemur.sandbox, "run_python_programs", unavailable)
    with pytest.raises(lemur.sandbox.Unavailable, match="no sandbox"):
        run(tmp_path, {"verified_python": {"a.jsonl": ("problems", PROBLEMS, {})}}, verify="run")
