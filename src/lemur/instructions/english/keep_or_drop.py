"""Judge chunks of conversations for `english_filter`; a verdict depends on the text alone, so any process can do it."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from lemur.core.counts import Counts
from lemur.core.records import Record, dump
from lemur.instructions.conversation import conversation, user_turns
from lemur.instructions.english.foreign_characters import foreign_run, without_foreign_sentences
from lemur.instructions.english.gold_labels import GoldLabels, is_english_label
from lemur.instructions.english.language_detector import NO_FEATURES, Detector
from lemur.instructions.english.parameters import Rules
from lemur.instructions.fences import without_fences


@dataclass
class Judged:
    """The verdicts on one chunk. `kept` and `rejects` hold whole lines, `counts` a report of `Counts`."""

    kept: bytes
    rejects: bytes
    counts: Record
    languages: dict[str, Counter[str]]
    sentences: Counter[str]
    gold: GoldLabels


@dataclass
class _Chunk:
    """The verdicts on one chunk so far."""

    kept: list[bytes] = field(default_factory=list)
    rejects: list[bytes] = field(default_factory=list)
    languages: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sentences: Counter[str] = field(default_factory=Counter)
    gold: GoldLabels = field(default_factory=GoldLabels)


def start(rules: Rules, conversations: Path) -> tuple[Rules, Path, Detector]:
    """The state that `judge` needs in each process: the rules, the file and the language profiles."""
    return rules, conversations, Detector(rules.seed)


def judge(state: tuple[Rules, Path, Detector], chunk: tuple[int, int]) -> Judged:
    """Judge the lines from byte `chunk[0]` to `chunk[1]`. Raises `ValueError` with file and byte if a line is not JSON,
    or if its source has no rule."""
    rules, path, detector = state
    verdicts = _Chunk()
    counts = Counts("english_filter", lambda record: verdicts.rejects.append(_line(record)))
    with path.open("rb") as file:
        file.seek(chunk[0])
        while (offset := file.tell()) < chunk[1]:
            line = file.readline()
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(
                    f"{path}: the line at byte {offset} is not JSON ({error}); run the stage that wrote it again"
                ) from None
            _judge(rules, detector, record, line, counts, verdicts)
    lines = b"".join(verdicts.kept), b"".join(verdicts.rejects)
    return Judged(*lines, counts.report(), dict(verdicts.languages), verdicts.sentences, verdicts.gold)


def text_to_judge(record: Record) -> str:
    """The user's turns without fenced code, which langdetect would take for a language; the code too if there is no
    prose."""
    turns = user_turns(record)
    prose = "\n".join(without_fences(turn) for turn in turns)
    return prose if any(character.isalpha() for character in prose) else "\n".join(turns)


def _judge(rules: Rules, detector: Detector, record: Record, line: bytes, counts: Counts, verdicts: _Chunk) -> None:
    source = record["source"]
    counts.entered(source)
    if _rule(rules, record) == "none":
        counts.left(source)
        verdicts.kept.append(line)
        return
    text = text_to_judge(record)
    verdict = detector.verdict(text)
    english = rules.undetermined == "keep" if verdict in (NO_FEATURES, "unknown") else verdict == "en"
    run = next((run for turn in user_turns(record) if (run := foreign_run(turn, rules.foreign_run))), None)
    verdicts.languages[source][verdict] += 1
    verdicts.gold.add(record, text, verdict, english=english, foreign=run is not None)
    label = record["language"]
    if _rule(rules, record) == "label" and label is not None:
        if is_english_label(label):
            run = None
        else:
            counts.dropped(source, "label_not_english", record, language=label)
            return
    elif not english:
        counts.dropped(source, "not_english", record, language=verdict)
        return
    if run is not None:
        changed, removed = _without_sentences(rules, record) if rules.unit == "sentence" else (None, 0)
        if changed is None:
            counts.dropped(source, "foreign_characters", record, run=run[:40])
            return
        verdicts.sentences[source] += removed
        line = _line(changed)
    counts.left(source)
    verdicts.kept.append(line)


def _rule(rules: Rules, record: Record) -> str:
    return rules.sources.get(record["source"], "detect")


def _without_sentences(rules: Rules, record: Record) -> tuple[Record | None, int]:
    """The conversation without the foreign sentences of its instructions, and their number. It ends before the first
    instruction that becomes empty; None if no answer is left."""
    messages: list[Record] = []
    removed = 0
    for message in record["messages"]:
        content = message["content"]
        if message["role"] == "user":
            content, count = without_foreign_sentences(content, rules.foreign_run)
            removed += count
            if not content:
                break
        messages.append({**message, "content": content})
    if not any(message["role"] == "assistant" for message in messages):
        return None, 0
    changed = conversation(record["source"], messages, licence=record["licence"], language=record["language"])
    return changed, removed


def _line(record: Record) -> bytes:
    return f"{dump(record)}\n".encode()
