"""Copies planted in the forms in which people store benchmark items."""

import json
from collections import Counter
from pathlib import Path

import pytest

from lemur.decontamination import forms, items
from lemur.decontamination.forms import renamed
from lemur.decontamination.index import BenchmarkIndex
from lemur.decontamination.items import Item, read_items
from lemur.decontamination.overlaps import OverlapParams, Overlaps
from lemur.decontamination.planted import INSERTED, NOT_A_COPY, Sample
from lemur.decontamination.prose import KINDS, descriptions, split_comments
from tests.instructions.builders import fetched

PROGRAM = """
    totals = {}
    for name, amount in pairs:
        if name not in totals:
            totals[name] = 0
        totals[name] += amount
    return sorted(totals.items())
"""
DOCSTRING = "Return the sum of the amounts of each name, as pairs that are sorted by name."
HUMANEVAL = {
    "task_id": "H/0",
    "prompt": f'def sums(pairs):\n    """ {DOCSTRING}\n    >>> sums([("a", 1), ("a", 2)])\n    [("a", 3)]\n    """\n',
    "canonical_solution": PROGRAM.lstrip("\n"),
    "entry_point": "sums",
    "test": "",
}
GSM8K = {
    "question": "Anna bakes 14 loaves on each of 5 days and sells 60 of them at the market. How many has she left?",
    "answer": "Anna bakes 14*5=<<14*5=70>>70 loaves in all.\nSo 70-60=<<70-60=10>>10 loaves are left for her.\n#### 10",
}
MMLU = ["What is the capital of Norway?", "Oslo, on the fjord", "Bergen", "Trondheim in the north", "Tromsø", "A"]


def overlaps(folder: Path, files: dict[str, tuple[str, str]]) -> Overlaps:
    """With one source of `files`: path -> (schema, content), each a benchmark of the schema's name."""
    meta = {"subject": "s", "language": "rkt"}
    contents = {name: (schema, text, {**meta, "benchmark": schema}) for name, (schema, text) in files.items()}
    params = OverlapParams(benchmarks={}, ngram=13, code_ngram=24, minimum_share=0.5)
    return Overlaps.with_sources(params, fetched(folder / "s", "s", contents))


def test_every_indexed_schema_has_forms_to_plant() -> None:
    assert forms._FORMS.keys() == items._SCHEMAS.keys()


def test_all_forms_of_an_item_are_found(tmp_path: Path) -> None:
    table = ",".join(f'"{field}"' for field in MMLU) + "\n"
    files = {
        "a.jsonl": ("humaneval", json.dumps(HUMANEVAL)),
        "b.jsonl": ("gsm8k", json.dumps(GSM8K)),
        "c.csv": ("mmlu", table),
    }
    planted = overlaps(tmp_path, files).compared()["planted"]
    assert planted.keys() == {"humaneval", "gsm8k", "mmlu"}
    assert {"renamed solution", "description without examples", INSERTED} <= planted["humaneval"]["forms"].keys()
    assert "solution without <<...>>" in planted["gsm8k"]["forms"]
    assert all(count["found"] for row in planted.values() for count in row["forms"].values())
    assert planted["humaneval"]["precision"] == 1.0
    assert planted["humaneval"]["others"] == {NOT_A_COPY: {"planted": 0, "found": 0}}  # there is one item


def test_the_sample_does_not_depend_on_the_order_of_items() -> None:
    items = [Item("b", f"i{number}", ()) for number in range(50)]
    chosen = []
    for order in (items, items[::-1]):
        sample = Sample(5)
        assert list(sample.keep(order)) == order
        chosen.append({item.name for item in sample.items()["b"]})
    assert chosen[0] == chosen[1] and len(chosen[0]) == 5


def test_a_program_with_other_names_is_found_and_another_one_is_not(tmp_path: Path) -> None:
    judge = overlaps(tmp_path, {"a.jsonl": ("humaneval", json.dumps(HUMANEVAL))})
    program = "def sums(pairs):" + PROGRAM
    copy = renamed(program)
    assert "totals" not in copy and "pairs" not in copy and ".items()" in copy
    assert (judge.judge("a", copy) or {})["view"] == "renamed"
    mixed = program.replace("totals[name] += amount", "pairs[name] += totals")  # uses its names in another way
    assert (judge.judge("b", renamed(mixed)) or {"share": 0})["share"] < 1
    assert (
        judge.judge("c", "def f(a):\n    b = {}\n    for c, d in a:\n        b[c] = d\n    return sorted(b)\n") is None
    )


def test_words_of_an_item_in_another_order_or_far_apart_are_no_copy(tmp_path: Path) -> None:
    judge = overlaps(tmp_path, {"b.jsonl": ("gsm8k", json.dumps(GSM8K))})
    words = GSM8K["question"].split()
    assert judge.judge("a", " ".join([*words[:10], "on a sunny summer morning", *words[10:]])) is not None
    runs = [" ".join(words[start : start + 5]) for start in range(0, len(words), 5)]
    assert judge.judge("b", " and then ".join(runs[::-1])) is None
    assert judge.judge("c", (" something else " * 30).join(runs)) is None


@pytest.mark.parametrize(
    ("language", "code", "comments"),
    [
        (
            "rkt",
            "#lang racket\n\n;; Return #t if all\n;; are even.\n(define (f x)",
            [" Return #t if all", " are even."],
        ),
        ("lua", "-- Sum of all.\nlocal function f(a)", [" Sum of all."]),
        ("rs", "/// Sum of all.\nfn f(a: i32)", [" Sum of all."]),
        ("php", "<?php\n// Sum of all.\nfunction f($a) {", [" Sum of all."]),
        ("d", "import std;\n/*\nSum of all.\n*/\nint f()", ["", "Sum of all.", ""]),
        ("sh", "#!/bin/bash\n# Sum of $# values.\nf() {", [" Sum of $# values."]),
        ("pl", "# Sum of all.\nsub f {\n    my($a) = @_;", [" Sum of all."]),
        ("jl", '"""Sum of all."""\nfunction f(a)', ["Sum of all."]),
        ("cpp", "#include<map>\n// Sum of all.\nint f() {", [" Sum of all."]),
    ],
)
def test_comments_of_every_language(language: str, code: str, comments: list[str]) -> None:
    prose, rest = split_comments(code, KINDS[language])
    assert prose.split("\n") == comments
    assert "Sum" not in rest


def test_descriptions_without_examples() -> None:
    assert descriptions("Add both.\n>>> f(1, 2)\n3\n\nNever fails.") == ["Add both.", "Add both.\n\nNever fails."]
    assert descriptions("Add both.\nFor example:\nf(1, 2) ==> 3") == ["Add both."]
    assert descriptions("Add both.\nf(1, 2) == 3") == ["Add both."]
    assert descriptions("Add both numbers, for they are numbers.") == []


def test_the_content_of_an_item_stays_with_it(tmp_path: Path) -> None:
    folder = fetched(tmp_path / "s", "s", {"b.jsonl": ("gsm8k", [GSM8K], {})})
    (item,) = read_items([folder], Counter())
    assert (item.schema, item.content.question) == ("gsm8k", GSM8K["question"])
    assert BenchmarkIndex([item], ngram=13, code_ngram=24).summary()["s"]["items"] == 1
