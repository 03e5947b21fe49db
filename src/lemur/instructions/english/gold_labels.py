"""Accuracy of the English filter on conversations whose source labels the language. Positive means English."""

from collections import Counter, defaultdict

from lemur.core.records import Record

SHOWN = 40  # the report shows at most this many distinct texts with a wrong verdict


def is_english_label(label: str) -> bool:
    """Whether a source's label (`en`, `en-GB`, `English`) means English."""
    return label.lower().replace("_", "-").split("-")[0] in ("en", "english")


class GoldLabels:
    """Verdicts on labelled conversations. `update` adds those of the next chunk, in order."""

    def __init__(self) -> None:
        self._detected: Counter[tuple[bool, bool]] = Counter()
        self._kept: Counter[tuple[bool, bool]] = Counter()
        self._by_language: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._mistakes: dict[str, Record] = {}

    def add(self, record: Record, text: str, verdict: str, *, english: bool, foreign: bool) -> None:
        """Count a conversation if it has a label. `english`: langdetect's verdict; `foreign`: the second rule's."""
        label = record["language"]
        if label is None:
            return
        truth = is_english_label(label)
        kept = english and not foreign
        self._detected[truth, english] += 1
        self._kept[truth, kept] += 1
        self._by_language[label]["kept" if kept else "dropped"] += 1
        if truth != kept:
            self._show(text[:160], {"id": record["id"], "label": label, "verdict": verdict, "kept": kept})

    def update(self, later: "GoldLabels") -> None:
        self._detected.update(later._detected)
        self._kept.update(later._kept)
        for label, verdicts in later._by_language.items():
            self._by_language[label].update(verdicts)
        for text, mistake in later._mistakes.items():
            self._show(text, mistake)

    def _show(self, text: str, mistake: Record) -> None:
        if len(self._mistakes) < SHOWN:
            self._mistakes.setdefault(text, mistake)

    def report(self) -> Record:
        return {
            "langdetect": _scores(self._detected),
            "both_rules": _scores(self._kept),
            "languages": {label: dict(sorted(counts.items())) for label, counts in sorted(self._by_language.items())},
            "mistakes": [{"text": text, **mistake} for text, mistake in self._mistakes.items()],
        }


def _scores(confusion: Counter[tuple[bool, bool]]) -> Record:
    hits, false_alarms, misses = confusion[True, True], confusion[False, True], confusion[True, False]
    return {
        "labelled": confusion.total(),
        "true_positive": hits,
        "false_positive": false_alarms,
        "false_negative": misses,
        "true_negative": confusion[False, False],
        "precision": round(hits / (hits + false_alarms), 6) if hits + false_alarms else None,
        "recall": round(hits / (hits + misses), 6) if hits + misses else None,
    }
