"""Chatlogs (winglian/chatlogs-en-cleaned): JSON lines in ShareGPT's schema; some exports use that of `messages`."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers import messages, sharegpt
from lemur.instructions.readers.turns import RawConversation, read_with
from lemur.sources.fetched import BadRecord, FetchedFile


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    return read_with(file, _convert)


def _convert(where: str, row: Record) -> RawConversation:
    has_messages = "messages" in row and "conversations" not in row
    return messages.convert(where, row) if has_messages else sharegpt.convert(where, row)
