"""Stage `mix_instructions`."""

import random
from pathlib import Path
from typing import Any

from lemur.core.parameter_blocks import current_blocks
from lemur.core.records import read_json, read_jsonl, write_jsonl
from lemur.instructions.mix_instructions import Params, mix_instructions
from tests.instructions.builders import chat, fetched

QUESTION = (
    "Tom reads twelve pages every morning and seven pages every night; how many pages does Tom read in a week of seven "
    "days, when on Sundays he reads nothing at all and on Mondays only half as much?"
)
BASE: dict[str, Any] = {
    "seed": 1,
    "sources": {"sharegpt": None, "openorca": None, "evol_codealpaca": None},
    "benchmarks": {"mmlu": "remove", "gsm8k": "remove", "humaneval": "remove"},
    "ngram": 13,
    "code_ngram": 24,
    "minimum_share": 0.5,
}


def run(tmp_path: Path, text: list[Any], code: list[Any], **changes: Any) -> tuple[list[Any], list[Any], Any]:
    tmp_path.mkdir(exist_ok=True)
    write_jsonl(tmp_path / "text.jsonl", text)
    write_jsonl(tmp_path / "code.jsonl", code)
    rows = [{"question": QUESTION, "answer": "#### 133"}]
    benchmarks = [
        fetched(tmp_path / name, name, {"test.jsonl": (name, rows, {})} if name == "gsm8k" else {})
        for name in ("mmlu", "gsm8k", "humaneval", "bbh", "mbpp", "spider", "multipl_e", "ds1000", "agents")
    ]
    out = {name: tmp_path / f"{name}.out" for name in ("instructions", "rejects", "report")}
    params = Params.model_validate({**BASE, **changes})
    mix_instructions(params, tmp_path / "text.jsonl", tmp_path / "code.jsonl", benchmarks, **out)
    return list(read_jsonl(out["instructions"])), list(read_jsonl(out["rejects"])), read_json(out["report"])


TEXT = [chat(f"question {i}", "x", source=("sharegpt", "openorca")[i % 2]) for i in range(40)]
CODE = [chat(f"program {i}", "x", source="evol_codealpaca") for i in range(10)]


def ids(records: list[Any]) -> list[str]:
    return [record["id"] for record in records]


def test_null_takes_all_conversations(tmp_path: Path) -> None:
    mixed, rejects, report = run(tmp_path, TEXT, CODE)
    assert sorted(ids(mixed)) == sorted(ids(TEXT + CODE))
    assert not rejects
    assert report["benchmarks"] == {"gsm8k": {"items": 1, "place": "bundled", "uncheckable": 0, "unreadable": 0}}


def test_the_order_of_the_input_changes_no_byte(tmp_path: Path) -> None:
    sources = {"sharegpt": 7, "openorca": None, "evol_codealpaca": 3}
    first, _, report = run(tmp_path / "a", TEXT, CODE, sources=sources)
    shuffled = random.Random(2).sample(TEXT, len(TEXT))
    run(tmp_path / "b", shuffled, CODE[::-1], sources=sources)
    for name in ("instructions", "rejects", "report"):
        assert (tmp_path / "a" / f"{name}.out").read_bytes() == (tmp_path / "b" / f"{name}.out").read_bytes()
    assert len(first) == 7 + 20 + 3
    assert report["sources"]["sharegpt"] == {"in": 20, "out": 7, "dropped": {"not_sampled": 13}}


def test_a_larger_sample_contains_the_smaller(tmp_path: Path) -> None:
    small, _, _ = run(tmp_path / "a", TEXT, [], sources={**BASE["sources"], "openorca": 5})
    large, _, _ = run(tmp_path / "b", TEXT, [], sources={**BASE["sources"], "openorca": 9})
    assert set(ids(small)) < set(ids(large))
    other, _, _ = run(tmp_path / "c", TEXT, [], sources={**BASE["sources"], "openorca": 5}, seed=2)
    assert set(ids(other)) != set(ids(small))


def test_overlap_is_removed_or_reported(tmp_path: Path) -> None:
    copied = chat("Solve this: " + QUESTION.upper(), "133")
    partly = chat("pages every morning and seven pages every night; how many pages does Tom have", "?")
    sources = {**BASE["sources"], "sharegpt": 2}
    mixed, (reject, *sampled), report = run(tmp_path / "a", [copied, partly, TEXT[0]], [], sources=sources)
    assert (reject["reason"], reject["benchmark"], reject["item"]) == ("benchmark_overlap", "gsm8k", "test.jsonl:1")
    assert reject["record"]["id"] == copied["id"]
    assert not sampled  # sampled after removal, so two of the three remain
    assert sorted(ids(mixed)) == sorted(ids([partly, TEXT[0]]))
    assert report["overlaps"]["pairs"] == {"gsm8k": {"below_share": 1, "removed": 1}}
    mixed, rejects, report = run(tmp_path / "b", [copied], [], benchmarks={**BASE["benchmarks"], "gsm8k": "report"})
    assert (len(mixed), rejects) == (1, [])
    assert report["overlaps"]["shown"][0]["action"] == "reported"


def test_params_name_the_papers_benchmarks_and_their_rephrased_forms() -> None:
    names = set(current_blocks()["mix_instructions"]["benchmarks"])
    single_turn = {"mmlu", "bbh", "gsm8k", "humaneval", "mbpp", "spider", "multipl_e", "ds1000"}
    shown = {"mint_examples"}  # in prompts
    agents = {name for name in names - shown if name.startswith(("mint_", "intercode_"))} | {"webarena", "robocodegen"}
    assert len(agents) == 13
    assert names == single_turn | agents | shown | {f"rephrased_{name}" for name in ("mmlu", "gsm8k", "humaneval")}


def test_a_source_without_a_number_is_taken_whole(tmp_path: Path) -> None:
    mixed, _, report = run(tmp_path, [chat(f"q{i}", "a", source="recipes") for i in range(3)], [])
    assert len(mixed) == 3 and report["sources"]["recipes"] == {"in": 3, "out": 3, "dropped": {}}
