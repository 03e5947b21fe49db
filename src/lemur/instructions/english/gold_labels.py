"""Accuracy of the English filter on conversations whose source labels the language. Positive means English."""

from collections import Counter
from dataclasses import dataclass, field

from lemur.core.records import Record

SHOWN = 40  # the report shows at most this many distinct texts with a wrong verdict


def is_english_label(label: str) -> bool:
    """Whether a source's label (`en`, `en-GB`, `English`) means English."""
    return label.lower().replace("_", "-").split("-")[0] in ("en", "english")


@dataclass
class GoldLabels:
    """Verdicts on labelled conversations. `update` adds those of the next shard, in order."""

    detected: Counter[str] = field(default_factory=Counter)
    """Conversations by how langdetect's verdict compares with the label (`_outcome`)."""
    kept: Counter[str] = field(default_factory=Counter)
    """The same of both rules together."""
    by_language: dict[str, Counter[str]] = field(default_factory=dict)
    """By label, conversations kept and dropped."""
    mistakes: dict[str, Record] = field(default_factory=dict)
    """The first texts with a wrong verdict."""

    def add(self, record: Record, text: str, verdict: str, *, english: bool, foreign: bool) -> None:
        """Count a conversation if it has a label. `english`: langdetect's verdict; `foreign`: the second rule's."""
        label = record["language"]
        if label is None:
            return
        truth = is_english_label(label)
        kept = english and not foreign
        self.detected[_outcome(truth, english)] += 1
        self.kept[_outcome(truth, kept)] += 1
        self.by_language.setdefault(label, Counter())["kept" if kept else "dropped"] += 1
        if truth != kept:
            self._show(text[:160], {"id": record["id"], "label": label, "verdict": verdict, "kept": kept})

    def update(self, later: "GoldLabels") -> None:
        self.detected.update(later.detected)
        self.kept.update(later.kept)
        for label, verdicts in later.by_language.items():
            self.by_language.setdefault(label, Counter()).update(verdicts)
        for text, mistake in later.mistakes.items():
            self._show(text, mistake)

    def _show(self, text: str, mistake: Record) -> None:
        if len(self.mistakes) < SHOWN:
            self.mistakes.setdefault(text, mistake)

    def report(self) -> Record:
        return {
            "langdetect": _scores(self.detected),
            "both_rules": _scores(self.kept),
            "languages": {label: dict(sorted(counts.items())) for label, counts in sorted(self.by_language.items())},
            "mistakes": [{"text": text, **mistake} for text, mistake in self.mistakes.items()],
        }


def _outcome(truth: bool, verdict: bool) -> str:
    return f"{'true' if truth == verdict else 'false'}_{'positive' if verdict else 'negative'}"


def _scores(outcomes: Counter[str]) -> Record:
    hits, false_alarms, misses = (outcomes[name] for name in ("true_positive", "false_positive", "false_negative"))
    return {
        "labelled": outcomes.total(),
        "true_positive": hits,
        "false_positive": false_alarms,
        "false_negative": misses,
        "true_negative": outcomes["true_negative"],
        "precision": round(hits / (hits + false_alarms), 6) if hits + false_alarms else None,
        "recall": round(hits / (hits + misses), 6) if hits + misses else None,
    }
