"""OpenOrca's prompts in preference pairs: {input: {messages}, preferred_output: [{role, content}], ...}."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation, origin, read_with, rows, text
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import FieldError


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    return read_with(file, _convert)


def _convert(where: str, row: Record) -> RawConversation:
    prompt = row.get("input")
    if not isinstance(prompt, dict):
        raise FieldError("wrong_type", f"'input' is {type(prompt).__name__}, an object is expected")
    turns = [*rows(prompt, "messages"), *rows(row, "preferred_output")]
    return RawConversation(where, tuple((text(turn, "role"), text(turn, "content")) for turn in turns), origin(row))
