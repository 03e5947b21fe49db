"""Converts the records of an input shard into conversations; which of them repeat others is decided later."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lemur.core.records import Record, dump
from lemur.core.shards import Job
from lemur.instructions.conversation import VERIFIED, characters, conversation
from lemur.instructions.normalising.cleaning import clean
from lemur.instructions.normalising.parameters import Conversion
from lemur.instructions.normalising.tested_answers import program_with_tests
from lemur.instructions.normalising.turn_order import Unusable, messages
from lemur.instructions.readers import oasst_trees, read
from lemur.instructions.readers.turns import RawConversation
from lemur.sources.fetched import BadRecord, FetchedFile

MALFORMED = ("not_json", "missing_field", "wrong_type", "not_utf8", "bad_text")
KEYS = np.dtype([("kept", "?"), ("has_origin", "?"), ("origin", "<u8"), ("id", "<u8")])
"""What tells whether a record repeats an earlier one of its source: hashes of its file and of its own id there, if it
has one, and of its content. `kept`: nothing has dropped it so far."""


@dataclass(frozen=True)
class InputShard(Job):
    """Some files of a source. Outputs: `items`, a line for each record, and `keys`, a row of `KEYS` for each."""

    fetched: str
    """Name of the source."""
    files: tuple[FetchedFile, ...]


class Cut(NamedTuple):
    """The records of an output shard: where they begin in `items`, and how many they are."""

    start: int
    records: int


@dataclass
class Converted:
    """What an input shard gave. `programs`: conversations to test; `turns`: single turns dropped, by reason."""

    records: int = 0
    malformed: int = 0
    programs: int = 0
    turns: Counter[str] = field(default_factory=Counter)
    cuts: list[Cut] = field(default_factory=list)


def convert(params: Conversion, shard_bytes: int, shard: InputShard) -> Converted:
    """Write each record of the shard as an item {record, where}, with `program` if tests decide about it, or with
    `reason` and perhaps `detail` if it is dropped. Cut after at most `shard_bytes` bytes of items, or one longer item;
    a rest of less than half as much stays with what is before it."""
    result = Converted()
    start = end = before = 0
    with shard.outputs["items"].open("wb") as items, shard.outputs["keys"].open("wb") as keys:
        for file in shard.files:
            for raw in _read(params, file):
                item = _item(params, shard.fetched, file, raw, result.turns)
                line = f"{dump(item)}\n".encode()
                if start < end and end + len(line) - start > shard_bytes:
                    result.cuts.append(Cut(start, result.records - before))
                    start, before = end, result.records
                items.write(line)
                keys.write(_key(file, raw, item).tobytes())
                end += len(line)
                result.records += 1
                result.malformed += isinstance(raw, BadRecord) and raw.reason in MALFORMED
                result.programs += item.get("program") is not None
    if result.cuts and end - start < shard_bytes / 2:
        start, more = result.cuts.pop()
        before -= more
    result.cuts.append(Cut(start, result.records - before))
    return result


def _read(params: Conversion, file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    if file.schema == "oasst_trees":
        return oasst_trees.read(file, reviewed=params.oasst_reviewed_only, synthetic=params.oasst_synthetic)
    return read(file)


def _item(
    params: Conversion, source: str, file: FetchedFile, raw: RawConversation | BadRecord, dropped_turns: Counter[str]
) -> Record:
    if isinstance(raw, BadRecord):
        return {"record": None, "where": raw.where, "reason": raw.reason, "detail": raw.detail}
    html = source in params.html_sources
    try:
        cleaned = messages(
            raw,
            lambda text: clean(text, html=html),
            keep_system=params.system_turns == "keep",
            dropped=dropped_turns,
        )
    except Unusable as error:
        turns = [{"role": role, "content": content} for role, content in raw.turns]
        return {"record": {"messages": turns}, "where": raw.where, "reason": error.reason, "detail": error.detail}
    record = conversation(source, cleaned, licence=raw.licence or file.licence, language=raw.language)
    item = {"record": record, "where": raw.where}
    if characters(record) < params.minimum_characters:
        return {**item, "reason": "too_short"}
    if _blocked(record, params.blocked_phrases):
        return {**item, "reason": "blocked_phrase"}
    program = raw.program or (program_with_tests(record) if source == VERIFIED else None)
    return item if program is None else {**item, "program": program}


def _key(file: FetchedFile, raw: RawConversation | BadRecord, item: Record) -> np.ndarray:
    if isinstance(raw, BadRecord) or "reason" in item:
        return np.array((False, False, 0, 0), KEYS)
    origin = 0 if raw.origin is None else _hash(f"{file.name} {raw.origin}")
    return np.array((True, raw.origin is not None, origin, _hash(item["record"]["id"])), KEYS)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _blocked(record: Record, phrases: list[str]) -> bool:
    if not phrases:
        return False
    text = "\n".join(message["content"] for message in record["messages"]).casefold()
    return any(phrase.casefold() in text for phrase in phrases)
