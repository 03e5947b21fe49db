"""{id, prompt, solution, tests, entry_point, licence}: Python problems whose solution must pass its tests."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation, origin, read_with, text
from lemur.sources.fetched import BadRecord, FetchedFile


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    return read_with(file, _convert)


def _convert(where: str, row: Record) -> RawConversation:
    solution = text(row, "solution").strip("\n")
    entry_point = text(row, "entry_point")
    # Name the entry point: if it is misspelt, the program fails, even when the tests never touch the solution.
    program = f"{solution}\n\n{text(row, 'tests')}\n\n{entry_point}\n"
    turns = (("user", text(row, "prompt")), ("assistant", f"```python\n{solution}\n```"))
    return RawConversation(where, turns, origin(row), licence=text(row, "licence", default="") or None, program=program)
