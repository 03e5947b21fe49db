"""{instruction, output}: Evol-Instruct-Code-80k-v1 (JSON list) and evol-codealpaca-v1 (JSON lines)."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation, origin, read_with, text
from lemur.sources.fetched import BadRecord, FetchedFile


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    return read_with(file, _convert)


def _convert(where: str, row: Record) -> RawConversation:
    turns = (("user", text(row, "instruction")), ("assistant", text(row, "output")))
    return RawConversation(where, turns, origin(row))
