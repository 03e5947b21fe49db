"""{id, messages: [{role, content}]}: the schema of open-instruct and of most chat APIs."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation, origin, read_with, rows, text
from lemur.sources.fetched import BadRecord, FetchedFile


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    return read_with(file, convert)


def convert(where: str, row: Record) -> RawConversation:
    turns = tuple((text(turn, "role"), text(turn, "content")) for turn in rows(row, "messages"))
    return RawConversation(where, turns, origin(row))
