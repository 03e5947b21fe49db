"""ShareGPT: a list of {id, conversations: [{from, value}]} (anon8231489123/ShareGPT_Vicuna_unfiltered)."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation, origin, read_with, rows, text
from lemur.sources.fetched import BadRecord, FetchedFile


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    return read_with(file, convert)


def convert(where: str, row: Record) -> RawConversation:
    turns = [(text(turn, "from"), text(turn, "value")) for turn in rows(row, "conversations")]
    if isinstance(row.get("system"), str):
        turns.insert(0, ("system", row["system"]))
    return RawConversation(where, tuple(turns), origin(row))
