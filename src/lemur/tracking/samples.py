"""A few answers of each model on each benchmark, as the columns of a table."""

from pathlib import Path

from lemur.core.records import Record, read_jsonl
from lemur.reporting.episodes.answers import item
from lemur.reporting.episodes.text import visible
from lemur.reporting.inputs import MODELS

SAMPLES = Path("data/eval")
ITEMS = 5
"""Of each benchmark: the first ones, chosen before anybody looked at the answers."""
CHARACTERS = 300
NO_ANSWERS = ("bits_per_byte",)


def table(root: Path) -> dict[str, list[str]]:
    """Columns of equal length; the models' answers to an item follow each other. Empty where no samples are."""
    rows = []
    for order, (model, title) in enumerate(MODELS.items()):
        for path in sorted((root / SAMPLES / model).glob("*.jsonl")):
            if path.stem not in NO_ANSWERS:
                for number, record in zip(range(ITEMS), read_jsonl(path), strict=False):
                    rows.append(((path.stem, number, order), _row(record, path.stem, title)))
    ordered = [row for _, row in sorted(rows, key=lambda row: row[0])]
    return {name: [row[name] for row in ordered] for name in ordered[0]} if ordered else {}


def _row(record: Record, benchmark: str, title: str) -> dict[str, str]:
    shown = item(record, benchmark)
    asked = shown.messages[-1][1] if shown.messages else ""
    if "turns" in record:
        answer = "\n".join(str(turn["answer"]) for turn in record["turns"])
    else:  # a choice by likelihood has no text
        answer = str(record.get("output") or record.get("extraction") or "")
    return {
        "benchmark": benchmark,
        "model": title,
        "outcome": shown.outcome,
        "answer": _beginning(answer),
        "prompt": _end(asked),
        "item": shown.id,
        "right answer": _beginning(str(record.get("target") or record.get("reference") or "")),
    }


def _beginning(text: str) -> str:
    text = visible(text.strip())
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}…"


def _end(text: str) -> str:
    """Of a prompt: the question stands below the examples."""
    text = visible(text.strip())
    return text if len(text) <= CHARACTERS else f"…{text[-CHARACTERS:]}"
