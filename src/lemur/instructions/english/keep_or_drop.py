"""Judge conversations for `english_filter`; a verdict depends on the text alone, so any process can do it."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from lemur.core.counts import Counts
from lemur.core.records import Record, jsonl_writer, read_jsonl
from lemur.core.rejects import rejects_writer
from lemur.core.shards import Job
from lemur.instructions.conversation import conversation, user_turns
from lemur.instructions.english.foreign_characters import foreign_run, without_foreign_sentences
from lemur.instructions.english.gold_labels import GoldLabels, is_english_label
from lemur.instructions.english.language_detector import NO_FEATURES, Detector
from lemur.instructions.english.parameters import Rules
from lemur.instructions.fences import without_fences


@dataclass(frozen=True)
class Shard(Job):
    """Input: conversations of one source. Outputs: `kept`, `rejects`."""

    source: str


@dataclass
class Judged:
    """The verdicts on one shard. `counts`: a report of `Counts`; `languages`: langdetect's verdicts by source;
    `sentences`: foreign ones that were removed, by source."""

    counts: Record = field(default_factory=dict)
    languages: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sentences: Counter[str] = field(default_factory=Counter)
    gold: GoldLabels = field(default_factory=GoldLabels)


def start(rules: Rules) -> tuple[Rules, Detector]:
    """The state that `judge` needs in each process: the rules and the language profiles."""
    return rules, Detector(rules.seed)


def judge(state: tuple[Rules, Detector], shard: Shard) -> Judged:
    """Judge a shard's conversations. Raises `ValueError` with file and line if a line is not JSON."""
    rules, detector = state
    judged = Judged()
    with jsonl_writer(shard.outputs["kept"]) as write, rejects_writer(shard.outputs["rejects"]) as reject:
        counts = Counts("english_filter", reject)
        for record in read_jsonl(shard.inputs[0]):
            counts.entered(shard.source)
            if (kept := _judge(rules, detector, record, counts, judged)) is not None:
                counts.left(shard.source)
                write(kept)
    judged.counts = counts.report()
    return judged


def text_to_judge(record: Record) -> str:
    """The user's turns without fenced code, which langdetect would take for a language; the code too if there is no
    prose."""
    turns = user_turns(record)
    prose = "\n".join(without_fences(turn) for turn in turns)
    return prose if any(character.isalpha() for character in prose) else "\n".join(turns)


def _judge(rules: Rules, detector: Detector, record: Record, counts: Counts, judged: Judged) -> Record | None:
    """The conversation as it is kept; None if it was dropped, which this also counts."""
    source = record["source"]
    if _rule(rules, record) == "none":
        return record
    text = text_to_judge(record)
    verdict = detector.verdict(text)
    english = rules.undetermined == "keep" if verdict in (NO_FEATURES, "unknown") else verdict == "en"
    run = next((run for turn in user_turns(record) if (run := foreign_run(turn, rules.foreign_run))), None)
    judged.languages[source][verdict] += 1
    judged.gold.add(record, text, verdict, english=english, foreign=run is not None)
    label = record["language"]
    if _rule(rules, record) == "label" and label is not None:
        if is_english_label(label):
            return record
        counts.dropped(source, "label_not_english", record, language=label)
        return None
    if not english:
        counts.dropped(source, "not_english", record, language=verdict)
        return None
    if run is None:
        return record
    changed, removed = _without_sentences(rules, record) if rules.unit == "sentence" else (None, 0)
    if changed is None:
        counts.dropped(source, "foreign_characters", record, run=run[:40])
        return None
    judged.sentences[source] += removed
    return changed


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
