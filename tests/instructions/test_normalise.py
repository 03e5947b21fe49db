"""Stage `normalise`."""

import json
import multiprocessing
import random
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from lemur.core.records import read_json, read_jsonl
from lemur.core.rejects import read_rejects
from lemur.core.source_shards import read_source, shards
from lemur.instructions.conversations import read_conversations
from lemur.instructions.normalise import Params, normalise
from lemur.sandbox import why_unavailable
from tests.instructions.builders import SOURCES, contents, fetched

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
    "shard_bytes": 1_000_000,
    "max_bad_share": 0.5,
}


def run(tmp_path: Path, files: dict[str, Any], **changes: Any) -> tuple[list[Any], list[Any], Any]:
    folders = [fetched(tmp_path / "raw" / name, name, files.get(name, {})) for name in SOURCES]
    out = {name: tmp_path / f"{name}.out" for name in ("conversations", "rejects", "report")}
    normalise(Params.model_validate({**BASE, **changes}), folders, **out)
    kept, rejects = read_conversations(out["conversations"]), read_rejects(out["rejects"])
    return list(kept), list(rejects), read_json(out["report"])


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


def spread(folder: Path, parts: int, rows: list[dict[str, Any]]) -> list[Path]:
    """Fetched sources whose ShareGPT has `rows` in this order, in so many files."""
    size = -(-len(rows) // parts)
    files = {
        f"{part:03}.json": ("sharegpt", rows[part * size : (part + 1) * size], {"language": "en"})
        for part in range(parts)
    }
    problems = {"p.jsonl": ("problems", [problem(f"right {i}", *RIGHT) for i in range(9)] + PROBLEMS, {})}
    return [
        fetched(folder / "raw" / name, name, {"sharegpt": files, "verified_python": problems}.get(name, {}))
        for name in SOURCES
    ]


RIGHT = ("def f(x):\n    return x + 1", "assert f(1) == 2")


def with_repetitions() -> list[dict[str, Any]]:
    """200 conversations; content repeats near and far, also under ids that repeat in one file, and some are broken."""
    generator = random.Random(6)
    rows: list[dict[str, Any]] = []
    for number in range(200):
        text = f"What is question {generator.randint(0, 120)}?"
        turns = [{"from": "human", "value": text}, {"from": "gpt", "value": "An answer."}]
        rows.append({"id": f"{generator.randint(0, 300)}", "conversations": turns[:: 1 - 2 * (number % 23 == 0)]})
    return [{"id": "broken"} if number % 31 == 30 else row for number, row in enumerate(rows)]


def expected(parts: int, rows: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """By a plain loop over all records: the questions kept, and why the others are not."""
    size = -(-len(rows) // parts)
    kept, reasons = [], []
    origins: set[tuple[int, str]] = set()
    for number, row in enumerate(rows):
        turns = row.get("conversations")
        origin = (number // size, row["id"])
        if turns is None:
            reasons.append("missing_field")
        elif turns[0]["from"] == "gpt":
            reasons.append("no_answered_question")
        elif origin in origins:
            reasons.append("duplicate_id")
        else:
            origins.add(origin)
            if turns[0]["value"] in kept:
                reasons.append("duplicate")
            else:
                kept.append(turns[0]["value"])
    return kept, reasons


@pytest.mark.parametrize("parts", [1, 7])
@pytest.mark.parametrize("rows_at_once", [1 << 20, 50])
def test_the_first_of_a_repetition_stays_whatever_the_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int, rows_at_once: int
) -> None:
    monkeypatch.setattr("lemur.instructions.normalising.repetitions.ROWS", rows_at_once)
    rows = with_repetitions()
    kept, reasons = expected(parts, rows)
    assert min(map(reasons.count, ("duplicate", "duplicate_id", "no_answered_question", "missing_field"))) > 1
    for shard_bytes in (10**6, 3000, 1):
        out = tmp_path / str(shard_bytes)
        folders = spread(out, parts, rows)
        paths = {name: out / name for name in ("conversations", "rejects", "report")}
        normalise(Params.model_validate({**BASE, "shard_bytes": shard_bytes}), folders, **paths)
        records = read_source(paths["conversations"], "sharegpt")
        assert [record["messages"][0]["content"] for record in records] == kept
        rejects = [reject["reason"] for reject in read_rejects(paths["rejects"]) if reject["source"] == "sharegpt"]
        assert rejects == reasons
        assert len(shards(paths["conversations"], "oasst1")) == 1  # has no file
        assert (len(shards(paths["conversations"], "sharegpt")) > 5) == (shard_bytes < 10**6)


def test_workers_change_no_byte_and_tests_give_the_same_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why_unavailable():
        pytest.skip(why_unavailable())
    rows = with_repetitions()
    for workers, shard_bytes in (("1", 2000), ("2", 2000), ("2", 10**6)):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        out = tmp_path / f"{workers}-{shard_bytes}"
        folders = spread(tmp_path / "sources" / out.name, 3, rows)
        paths = {name: out / name for name in ("conversations", "rejects", "report")}
        normalise(Params.model_validate({**BASE, "shard_bytes": shard_bytes, "verify": "run"}), folders, **paths)
        assert sorted(path.name for path in out.iterdir()) == ["conversations", "rejects", "report"]
        right = read_source(paths["conversations"], "verified_python")
        assert ["(right" in record["messages"][0]["content"] for record in right] == [True] * 10
        reasons = [r["reason"] for r in read_rejects(paths["rejects"]) if r["source"] == "verified_python"]
        assert reasons == ["tests_failed", "tests_failed", "tests_ended"]
    assert contents(tmp_path / "1-2000") == contents(tmp_path / "2-2000")
    assert len(shards(tmp_path / "1-2000/conversations", "verified_python")) > 1
    whole, cut = (list(read_conversations(tmp_path / name / "conversations")) for name in ("2-1000000", "2-2000"))
    assert whole == cut
    assert (tmp_path / "2-2000/report").read_bytes() == (tmp_path / "2-1000000/report").read_bytes()


def test_a_shard_holds_about_as_many_bytes_as_it_may(tmp_path: Path) -> None:
    conversations = [[("human", f"What is {i}?"), A] for i in range(100)]
    run(tmp_path, sharegpt(*conversations), shard_bytes=3000)
    sizes = [path.stat().st_size for path in shards(tmp_path / "conversations.out", "sharegpt")]
    assert len(sizes) > 5
    assert all(2000 < size <= 3000 for size in sizes[:-1]) and 1000 < sizes[-1] <= 4500


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_damaged_file_is_named_and_no_half_shard_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    monkeypatch.setenv("LEMUR_WORKERS", workers)
    files = sharegpt([Q, A])
    files["sharegpt"]["b.json"] = ("sharegpt", '[{"id": "1", "conversations": [', {})
    with pytest.raises(ValueError, match=r"b\.json: byte 1: record 0 is damaged"):
        run(tmp_path, files, shard_bytes=1)
    assert not contents(tmp_path / "conversations.out") and not contents(tmp_path / "rejects.out")
    assert not list(tmp_path.glob(".*"))


def test_a_killed_worker_leaves_no_part_of_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    files = sharegpt(*([("human", f"What is {i}?"), ("gpt", f"{i} " * 20_000)] for i in range(150)))

    def kill_the_first_that_writes() -> None:
        """Waits for part of an output shard in a worker's scratch folder, then kills the workers."""
        while not list(tmp_path.glob(".conversations.out.scratch.partial/shard-*/conversations/*")):
            time.sleep(0.001)
        for child in multiprocessing.active_children():
            child.kill()

    killer = threading.Thread(target=kill_the_first_that_writes)
    killer.start()
    with pytest.raises(BrokenProcessPool):
        run(tmp_path, files, shard_bytes=1_000_000)
    killer.join()
    assert not list(tmp_path.glob(".*"))
    for path in (tmp_path / "conversations.out").iterdir():
        assert path.read_bytes().endswith(b"}\n") and list(read_jsonl(path))
    assert len(list((tmp_path / "conversations.out").iterdir())) < 30
