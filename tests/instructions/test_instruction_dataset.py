"""Stage `instruction_dataset`: `datasets.load_dataset` returns the input, and the card describes it."""

from pathlib import Path
from typing import Any

import pytest

from lemur.core.counts import Counts
from lemur.core.records import write_jsonl
from lemur.instructions.data_card import is_non_commercial
from lemur.instructions.instruction_dataset import Params, instruction_dataset
from tests.instructions.builders import chat

RECORDS = [
    chat("q", "a", "q2", "a2", source="oasst1", language="en"),
    *(chat(f"question {i} 😀", "a", source="sharegpt", system="Be\nkind.") for i in range(1200)),
    {**chat("write f", "def f(): ...", source="evol_codealpaca"), "licence": "CC-BY-NC-4.0"},
]
SOURCES = {"oasst1": 3, "sharegpt": 1203, "evol_codealpaca": 2}


def report(path: Path, stage: str, dropped: dict[str, dict[str, int]], **more: Any) -> None:
    counts = Counts(stage)
    for source in SOURCES:
        reasons = dropped.get(source, {})
        counts.entered(source, 5 + sum(reasons.values()))
        counts.left(source, 5)
        for reason, number in reasons.items():
            for _ in range(number):
                counts.dropped(source, reason)
    counts.write(path, **more)


def run(tmp_path: Path, records: list[Any], place: str = "bundled") -> Path:
    tmp_path.mkdir(exist_ok=True)
    write_jsonl(tmp_path / "mixed.jsonl", records)
    places = {name: {"place": place, "revision": "1", "title": name.upper()} for name in SOURCES}
    names = ("normalise", "english_filter", "semantic_dedup_text", "semantic_dedup_code", "mix_instructions")
    inputs = {name: tmp_path / f"{name}.json" for name in names}
    report(inputs["normalise"], "normalise", {"sharegpt": {"role_order": 2}}, places=places)
    report(inputs["english_filter"], "english_filter", {"sharegpt": {"not_english": 7}})
    report(inputs["semantic_dedup_text"], "semantic_dedup", {})
    report(inputs["semantic_dedup_code"], "semantic_dedup", {})
    benchmarks = {
        "gsm8k": {"items": 40, "place": "bundled", "uncheckable": 0, "unreadable": 0},
        "humaneval": {"items": 164, "place": "package", "uncheckable": 0, "unreadable": 0},
    }
    skipped = {"ds1000": "no items to compare with", "webarena": "no items to compare with", "mmlu": "ignored"}
    overlaps = {"pairs": {"gsm8k": {"removed": 3}}, "items": {}, "shown": []}
    more = {"benchmarks": benchmarks, "overlaps": overlaps, "not_checked": skipped}
    report(inputs["mix_instructions"], "mix_instructions", {}, **more)
    params = Params.model_validate({"name": "Set", "records_per_file": 1000})
    instruction_dataset(params, tmp_path / "mixed.jsonl", *inputs.values(), dataset=tmp_path / "set")
    return tmp_path / "set"


def test_datasets_opens_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    folder = run(tmp_path, RECORDS)
    assert [path.name.split("-")[:2] for path in sorted((folder / "data").iterdir())] == [
        ["train", "00000"],
        ["train", "00001"],
    ]
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    assert list(loaded["train"]) == RECORDS


def test_datasets_does_not_serve_the_previous_build_from_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    for number, records in enumerate((RECORDS[:5], RECORDS[1:6])):  # as many conversations
        folder = run(tmp_path / str(number), records)
        assert list(load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]) == records


def test_the_card_names_sources_terms_and_counts(tmp_path: Path) -> None:
    card = (run(tmp_path, RECORDS) / "README.md").read_text(encoding="utf-8")
    assert "1,202 conversations, 1,203 rounds" in card
    assert "**Not for commercial use**: 1 conversations, `evol_codealpaca` (CC-BY-NC-4.0, 1)" in card
    assert "| oasst1 | OASST1 | bundled | 1 | MIT | 1 | 2.0 |" in card
    assert "not the original data set (evol_codealpaca, oasst1, sharegpt)" in card
    assert "| sharegpt | 7 | 2 | 7 | 0 | 0 | 0 | 5 | not_english 7, role_order 2 |" in card
    assert "gsm8k (bundled, 40 items: 3 overlaps removed, 0 only reported)" in card
    assert "humaneval (package, 164 items: 0 overlaps" in card
    assert "\n\nBundled: a small sample written for this project, not the benchmark itself (gsm8k)." in card
    assert card.endswith("\n\nnot checked: mmlu (ignored); ds1000, webarena (no items to compare with).\n")


def test_the_card_explains_the_places(tmp_path: Path) -> None:
    cards = {
        place: (run(tmp_path / place, RECORDS, place) / "README.md").read_text(encoding="utf-8")
        for place in ("bundled", "mirror", "hub")
    }
    assert "written for this project" in cards["bundled"]
    assert "in its place; its manifest.yaml says what (evol_codealpaca, oasst1, sharegpt)." in cards["mirror"]
    assert "not the original data set" not in cards["hub"]
    # The terms of the original files do not apply to substitutes.
    assert [place for place, card in cards.items() if "shared by them" in card] == ["hub"]


def test_same_bytes_and_empty_sets(tmp_path: Path) -> None:
    first, second = run(tmp_path / "a", RECORDS), run(tmp_path / "b", RECORDS)
    for path in sorted(first.rglob("*.*")):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()
    import pyarrow.parquet

    empty = run(tmp_path / "c", [])
    (file,) = (empty / "data").iterdir()
    assert pyarrow.parquet.read_table(file).num_rows == 0


@pytest.mark.parametrize(
    ("licence", "closed"),
    [
        ("CC-BY-NC-SA-4.0", True),
        ("CC BY-NC 4.0", True),
        ("non-commercial use only", True),
        ("CC-BY-4.0", False),
        ("MIT", False),
        ("Llama 2 Community License", False),
    ],
)
def test_non_commercial_licences(licence: str, closed: bool) -> None:
    assert is_non_commercial(licence) is closed
