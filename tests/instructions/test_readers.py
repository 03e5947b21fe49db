"""The reader of every schema: records it accepts, and records that become a `BadRecord`."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from lemur.instructions.readers import read
from lemur.instructions.readers.turns import RawConversation
from lemur.sources.fetched import BadRecord, load
from tests.instructions.builders import fetched


def read_all(tmp_path: Path, schema: str, name: str, content: bytes | str | list[Any], **meta: Any) -> list[Any]:
    folder = fetched(tmp_path / "source", "source", {name: (schema, content, meta)})
    return [item for file in load(folder).files for item in read(file)]


def good(items: list[Any]) -> list[RawConversation]:
    assert all(isinstance(item, RawConversation) for item in items), items
    return items


PAIR = (("user", "Q"), ("assistant", "A"))


def as_messages(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


WITH_INPUT = (("user", "Q\n\nI"), ("assistant", "A"))
HISTORY = (("user", "q"), ("assistant", "a"), *PAIR)
SHAREGPT = {"id": "x", "conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}
ORCA = {"id": "flan.1", "system_prompt": "", "question": "Q", "response": "A"}
ORCA_PAIR = {"input": {"messages": as_messages(PAIR[0])}, "preferred_output": as_messages(PAIR[1])}
QIA = {"instruction": "Q", "input": "I", "output": "A"}


@pytest.mark.parametrize(
    ("schema", "name", "row", "turns"),
    [
        ("sharegpt", "a.json", SHAREGPT, (("human", "Q"), ("gpt", "A"))),
        ("chatlogs", "a.jsonl", SHAREGPT, (("human", "Q"), ("gpt", "A"))),
        ("chatlogs", "a.jsonl", {"messages": as_messages(*PAIR)}, PAIR),
        ("openorca", "a.jsonl", ORCA, (("system", ""), *PAIR)),
        ("openorca_pairs", "a.jsonl", ORCA_PAIR, PAIR),
        ("evol_instruct", "a.json", {"instruction": "Q", "output": "A"}, PAIR),
        ("evol_instruct", "a.jsonl", {"instruction": "Q", "output": "A"}, PAIR),
        ("gpteacher", "a.json", {"instruction": "Q", "input": "I", "response": "A"}, WITH_INPUT),
        ("alpaca", "a.json", {**QIA, "input": ""}, PAIR),
        ("dolly", "a.jsonl", {"index": "0", **QIA, "category": "qa"}, WITH_INPUT),
        ("messages", "a.jsonl", {"id": 7, "messages": as_messages(*PAIR)}, PAIR),
        ("oaast_history", "a.json", {**QIA, "input": "", "history": [["q", "a"]]}, HISTORY),
        ("oaast_history", "a.json", {**QIA, "input": "", "history": '[["q", "a"]]'}, HISTORY),
    ],
)
def test_one_record(tmp_path: Path, schema: str, name: str, row: Any, turns: Any) -> None:
    (item,) = good(read_all(tmp_path, schema, name, [row]))
    assert item.turns == turns


def test_problem_carries_its_program(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "prompt": "Q",
        "solution": "def f():\n    return 1\n",
        "tests": "assert f() == 1",
        "entry_point": "f",
    }
    (item,) = good(read_all(tmp_path, "problems", "a.jsonl", [{**row, "licence": "CC0-1.0"}]))
    assert item.turns[1] == ("assistant", "```python\ndef f():\n    return 1\n```")
    assert item.program == "def f():\n    return 1\n\nassert f() == 1\n\nf\n"
    assert item.licence == "CC0-1.0"


def test_bad_records_name_their_line(tmp_path: Path) -> None:
    lines = [
        b'{"instruction": "Q", "output": "A"}',
        b'{"instruction": "Q", "output": ',
        b'{"instruction": "Q"}',
        b'{"instruction": 3, "output": "A"}',
        b'["Q", "A"]',
        b'{"instruction": "Q \xff", "output": "A"}',
        b'{"instruction": "Q \\ud83d", "output": "A"}',
        b"",
        b'{"instruction": "Q\xe2\x80\xa8R", "output": "A"}',
    ]
    items = read_all(tmp_path, "evol_instruct", "a.jsonl", b"\n".join(lines))
    assert [(item.where, item.reason) for item in items if isinstance(item, BadRecord)] == [
        ("a.jsonl:2", "not_json"),
        ("a.jsonl:3", "missing_field"),
        ("a.jsonl:4", "wrong_type"),
        ("a.jsonl:5", "wrong_type"),
        ("a.jsonl:6", "not_utf8"),
        ("a.jsonl:7", "bad_text"),
    ]
    assert [item.where for item in items if isinstance(item, RawConversation)] == ["a.jsonl:1", "a.jsonl:9"]


def test_a_list_longer_than_one_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lemur.sources.reading.file_formats._CHUNK", 7)
    rows = [{"instruction": f"Q{i}" * (i % 5), "output": "A]},{[ \n" * i} for i in range(40)]
    items = good(read_all(tmp_path, "evol_instruct", "a.json", json.dumps(rows, indent=2)))
    assert [item.turns for item in items] == [(("user", r["instruction"]), ("assistant", r["output"])) for r in rows]


def test_json_lines_in_a_json_file(tmp_path: Path) -> None:
    lines = '{"instruction": "Q", "output": "A"}\n{"instruction": "Q"}\n'
    first, second = read_all(tmp_path, "evol_instruct", "a.json", lines)
    assert (first.where, first.turns) == ("a.json:1", PAIR)
    assert (second.where, second.reason) == ("a.json:2", "missing_field")


@pytest.mark.parametrize("content", ['[{"instruction": "Q", "output": "A"}, {"instr', '"instruction"'])
def test_a_damaged_list_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match=r"a\.json"):
        read_all(tmp_path, "evol_instruct", "a.json", content)


def test_unknown_schema(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'wikitext' is not a conversation schema"):
        read_all(tmp_path, "wikitext", "a.txt", "x")


def test_languages_from_a_companion_file(tmp_path: Path) -> None:
    row = {"conversations": [{"from": "human", "value": "Q"}]}
    content = [{"id": "a", **row}, {"id": "b", **row}]
    folder = fetched(
        tmp_path / "source",
        "source",
        {
            "a.json": ("sharegpt", content, {"languages": "l.json", "language": "en"}),
            "l.json": ("companion", '{"a": "fr"}', {}),
        },
    )
    file = load(folder).files[0]
    assert [item.language for item in good(list(read(file)))] == ["fr", "en"]


def message(identifier: str, role: str, replies: list[Any] | None = None, **fields: Any) -> dict[str, Any]:
    base = {"message_id": identifier, "role": role, "text": identifier, "lang": "en", "review_result": True}
    return {**base, "replies": replies or [], **fields}


def test_oasst_takes_every_path_to_an_answer(tmp_path: Path) -> None:
    tree = message("q", "prompter", [
        message("a1", "assistant", [
            message("q2", "prompter", [message("a2", "assistant"), message("a3", "assistant")]),
            message("q3", "prompter"),
        ]),
        message("deleted", "assistant", [message("lost", "prompter")], deleted=True),
        message("unreviewed", "assistant", review_result=None),
        message("model", "assistant", synthetic=True),
        message("b1", "assistant", [message("gone", "prompter", deleted=True)]),
    ])  # fmt: skip
    content = gzip.compress(json.dumps({"message_tree_id": "q", "prompt": tree}).encode())
    items = read_all(tmp_path, "oasst_trees", "trees.jsonl.gz", content)
    paths = [[text for _, text in item.turns] for item in items if isinstance(item, RawConversation)]
    assert paths == [["q", "a1", "q2", "a2"], ["q", "a1", "q2", "a3"], ["q", "b1"]]
    assert [item.language for item in items if isinstance(item, RawConversation)] == ["en"] * 3
    assert sorted(item.reason for item in items if isinstance(item, BadRecord)) == [
        "deleted_message", "deleted_message", "not_positively_reviewed", "prompt_without_reply", "synthetic_message",
    ]  # fmt: skip
