"""OpenOrca: {id, system_prompt, question, response} (Open-Orca/OpenOrca, 1M-GPT4-Augmented)."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation, origin, read_with, text
from lemur.sources.fetched import BadRecord, FetchedFile


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    return read_with(file, _convert)


def _convert(where: str, row: Record) -> RawConversation:
    turns = (
        ("system", text(row, "system_prompt", default="")),
        ("user", text(row, "question")),
        ("assistant", text(row, "response")),
    )
    return RawConversation(where, turns, origin(row))
