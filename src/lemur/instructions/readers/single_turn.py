"""One instruction with an optional input and an answer: Alpaca, GPTeacher and Dolly differ only in field names."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation, origin, read_with, text
from lemur.sources.fetched import BadRecord, FetchedFile


def alpaca(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    """{instruction, input, output}"""
    return read_with(file, lambda where, row: _convert(where, row, answer="output", identifier="id"))


def gpteacher(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    """{instruction, input, response}"""
    return read_with(file, lambda where, row: _convert(where, row, answer="response", identifier="id"))


def dolly(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    """{index, instruction, input, output, category}"""
    return read_with(file, lambda where, row: _convert(where, row, answer="output", identifier="index"))


def instruction(row: Record) -> str:
    """The user's message: the instruction, then a blank line and the input if there is one."""
    parts = (text(row, "instruction").strip(), text(row, "input", default="").strip())
    return "\n\n".join(part for part in parts if part)


def _convert(where: str, row: Record, *, answer: str, identifier: str) -> RawConversation:
    turns = (("user", instruction(row)), ("assistant", text(row, answer)))
    return RawConversation(where, turns, origin(row, identifier))
