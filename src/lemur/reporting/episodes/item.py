"""One line of a samples file as its page shows it: what was asked, the turns, the verdicts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lemur.core.records import Record

PARTS = ("task", "language", "hardness", "subject", "source", "group")
"""Keys that say to which part of a benchmark an item belongs; the first that a record has counts."""
_SHOWN = {"id", "prompt", "output", "extraction", "correct", "verdict", "target", "reference", "messages", "turns"}
_SHOWN |= {"ended", "fault", "solved", "finish", *PARTS}


@dataclass(frozen=True)
class Block:
    """A text with a heading. `kind`: how it looks. `language`: whose colours it gets, if it is code."""

    kind: str
    head: str
    text: str
    language: str | None = None


@dataclass(frozen=True)
class Turn:
    """`verdicts`: by rule. `facts`: tokens, limits left and the like. `screenshot`: file of what the model saw, if
    somebody kept it."""

    head: str
    blocks: list[Block]
    verdicts: Mapping[str, bool | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    screenshot: str = ""


@dataclass(frozen=True)
class Item:
    """`messages`: role and text before the first answer. `ended`: why the episode or the answer ended."""

    id: str
    part: str
    ended: str
    outcome: str
    verdicts: Mapping[str, bool | None]
    messages: list[tuple[str, str]]
    turns: list[Turn]
    facts: Mapping[str, str]

    @property
    def disagree(self) -> bool:
        return disagree(self.verdicts)


def verdicts_of(record: Record) -> dict[str, bool | None]:
    """Verdicts by rule, of benchmarks with several metrics by "metric, rule"; empty if the record has none."""
    return dict(_flat(record["solved"] if "turns" in record else record.get("correct")))


def outcome_of(record: Record) -> str:
    """solved or failed by the paper's rule or the only one, fault (the environment failed), or none (no verdict)."""
    if record.get("fault"):
        return "fault"
    verdicts = verdicts_of(record)
    rule = next((rule for rule in verdicts if rule.endswith(("paper", "none"))), next(iter(verdicts), None))
    verdict = None if rule is None else verdicts[rule]
    return "none" if verdict is None else "solved" if verdict else "failed"


def disagree(verdicts: Mapping[str, bool | None]) -> bool:
    """Whether the paper's rule and the strict one differ, for any metric."""
    return any(
        verdict != verdicts[strict]
        for rule, verdict in verdicts.items()
        if (strict := rule.removesuffix("paper") + "strict") in verdicts and rule.endswith("paper")
    )


def part_of(record: Record) -> str:
    return next((str(record[key]) for key in PARTS if record.get(key)), "")


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, bool | None]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}, {key}" if name else str(key))
    elif isinstance(value, bool) or (value is None and name):
        yield name or "verdict", value


def other_facts(record: Record) -> dict[str, str]:
    """What a record holds beyond what every item has, such as the likelihoods of choices."""
    facts = {key: plain_text(value) for key, value in sorted(record.items()) if key not in _SHOWN}
    return facts | ({"bits per byte": f"{record['bits'] / record['bytes']:.3f}"} if record.get("bytes") else {})


def plain_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.strip() if isinstance(key, str) else key} {plain_text(v)}" for key, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(plain_text, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
