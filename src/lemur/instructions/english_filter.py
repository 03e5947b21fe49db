"""Stage `english_filter`: keep conversations whose instructions are English (appendix A.2.1)."""

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lemur import workers
from lemur.counts import Counts
from lemur.instructions.conversation import conversation, user_turns
from lemur.pipeline.params import StageParams
from lemur.records import Record, batches, jsonl_writer, read_jsonl

PACKAGES = ("langdetect", "regex")
BATCH = 2048
MISTAKES = 40  # different texts with a wrong verdict that the report shows

log = logging.getLogger(__name__)


class Params(StageParams):
    sources: dict[str, Literal["detect", "label", "none"]] = Field(
        description="rule of each source: detect, label (the source's own language label decides), none"
    )
    seed: int = Field(ge=0, description="langdetect's seed, the same for every text")
    undetermined: Literal["keep", "drop"] = Field(description="instructions in which langdetect finds nothing to judge")
    foreign_run: int = Field(ge=1, description="consecutive non-English characters that make text foreign")
    unit: Literal["conversation", "sentence"] = Field(description="what such a run removes")


def english_filter(params: Params, conversations: Path, *, kept: Path, rejects: Path, report: Path) -> None:
    """Judge the instructions of each conversation: langdetect first, then runs of non-English characters."""
    from tqdm import tqdm

    from lemur.instructions.language import Detectors

    gold = _Gold()
    languages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sentences: Counter[str] = Counter()
    with (
        jsonl_writer(rejects) as reject,
        jsonl_writer(kept) as write,
        Detectors(params.seed, workers.count()) as detectors,
        tqdm(desc="english_filter", unit=" conversations") as progress,
    ):
        counts = Counts("english_filter", reject)
        for judged in _judged(params, conversations, detectors):
            for record, text, verdict in judged:
                source = record["source"]
                counts.entered(source)
                run = None if verdict is None else _first_run(record, params.foreign_run)
                result, reason, detail = _judge(params, record, verdict, run)
                if verdict is not None:
                    languages[source][verdict] += 1
                    gold.add(record, text, verdict, english=_is_english(params, verdict), foreign=run is not None)
                if result is None:
                    counts.dropped(source, reason, record, **detail)
                    continue
                sentences[source] += int(detail.get("removed_sentences", 0))
                counts.left(source)
                write(result)
            progress.update(len(judged))
    counts.write(
        report,
        languages={source: dict(sorted(found.items())) for source, found in sorted(languages.items())},
        removed_sentences=dict(sorted(sentences.items())),
        gold=gold.report(),
    )
    log.info("english_filter: %d of %d conversations kept", counts.report()["out"], counts.total_in())


def _judged(params: Params, conversations: Path, detectors: Any) -> Iterator[list[tuple[Record, str, str | None]]]:
    """(conversation, judged text, langdetect's verdict or None where the source is not filtered), in batches.

    While the workers judge one batch, the one before it is written."""
    waiting: deque[tuple[list[Record], list[str], list[bool], Callable[[], list[str]]]] = deque()
    for batch in batches(read_jsonl(conversations), BATCH):
        texts = [judged_text(record) for record in batch]
        filtered = [_rule(params, record) != "none" for record in batch]
        verdicts = detectors.start([text for text, asked in zip(texts, filtered, strict=True) if asked])
        waiting.append((batch, texts, filtered, verdicts))
        if len(waiting) == 2:
            yield _joined(*waiting.popleft())
    yield from (_joined(*judged) for judged in waiting)


def _joined(
    batch: list[Record], texts: list[str], filtered: list[bool], verdicts: Callable[[], list[str]]
) -> list[tuple[Record, str, str | None]]:
    found = iter(verdicts())
    return [
        (record, text, next(found) if asked else None)
        for record, text, asked in zip(batch, texts, filtered, strict=True)
    ]


def judged_text(record: Record) -> str:
    """The user's turns without fenced code, which langdetect would take for a language; with it if that is all."""
    from lemur.instructions.cleaning import without_fences

    turns = user_turns(record)
    prose = "\n".join(without_fences(turn) for turn in turns)
    return prose if any(character.isalpha() for character in prose) else "\n".join(turns)


def is_english_label(label: str) -> bool:
    """Whether a source's label (`en`, `en-GB`, `English`) says English."""
    return label.lower().replace("_", "-").split("-")[0] in ("en", "english")


def _rule(params: Params, record: Record) -> str:
    source = record["source"]
    if source not in params.sources:
        raise ValueError(
            f"params.yaml: english_filter.sources has no {source!r}, of which conversation {record['id']} is; "
            "add it with detect, label or none"
        )
    return params.sources[source]


def _is_english(params: Params, verdict: str) -> bool:
    from lemur.instructions.language import NO_FEATURES

    return params.undetermined == "keep" if verdict in (NO_FEATURES, "unknown") else verdict == "en"


def _first_run(record: Record, length: int) -> str | None:
    from lemur.instructions.foreign import foreign_run

    return next((run for turn in user_turns(record) if (run := foreign_run(turn, length))), None)


def _judge(params: Params, record: Record, verdict: str | None, run: str | None) -> tuple[Record | None, str, Record]:
    """(what is kept, or None; reason; detail)"""
    if verdict is None:
        return record, "", {}
    if _rule(params, record) == "label" and record["language"] is not None:
        english = is_english_label(record["language"])
        return (record, "", {}) if english else (None, "label_not_english", {"language": record["language"]})
    if not _is_english(params, verdict):
        return None, "not_english", {"language": verdict}
    if run is None:
        return record, "", {}
    if params.unit == "conversation":
        return None, "foreign_characters", {"run": run[:40]}
    return _without_sentences(params, record, run)


def _without_sentences(params: Params, record: Record, run: str) -> tuple[Record | None, str, Record]:
    """The conversation without foreign sentences in its instructions; it ends before an instruction that is emptied."""
    from lemur.instructions.foreign import without_foreign_sentences

    messages: list[Record] = []
    removed = 0
    for message in record["messages"]:
        content = message["content"]
        if message["role"] == "user":
            content, count = without_foreign_sentences(content, params.foreign_run)
            removed += count
            if not content:
                break
        messages.append({**message, "content": content})
    if not any(message["role"] == "assistant" for message in messages):
        return None, "foreign_characters", {"run": run[:40]}
    changed = conversation(record["source"], messages, licence=record["licence"], language=record["language"])
    return changed, "", {"removed_sentences": removed}


class _Gold:
    """How often the filter is right where the source says which language it is. Positive: English."""

    def __init__(self) -> None:
        self._detected: Counter[tuple[bool, bool]] = Counter()
        self._kept: Counter[tuple[bool, bool]] = Counter()
        self._by_language: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._mistakes: dict[str, Record] = {}

    def add(self, record: Record, text: str, verdict: str, *, english: bool, foreign: bool) -> None:
        label = record["language"]
        if label is None:
            return
        truth = is_english_label(label)
        kept = english and not foreign
        self._detected[truth, english] += 1
        self._kept[truth, kept] += 1
        self._by_language[label]["kept" if kept else "dropped"] += 1
        shown = text[:160]
        if truth != kept and len(self._mistakes) < MISTAKES and shown not in self._mistakes:
            self._mistakes[shown] = {"id": record["id"], "label": label, "verdict": verdict, "kept": kept}

    def report(self) -> Record:
        return {
            "langdetect": _scores(self._detected),
            "both_rules": _scores(self._kept),
            "languages": {label: dict(sorted(found.items())) for label, found in sorted(self._by_language.items())},
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
