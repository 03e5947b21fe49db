"""{instruction, input, output, history: [[question, answer], ...]}: LLaMA-Factory's flattened OASST trees."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.single_turn import instruction
from lemur.instructions.readers.turns import RawConversation, origin, read_with, text
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import FieldError
from lemur.sources.reading.values import parse


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    return read_with(file, _convert)


def _convert(where: str, row: Record) -> RawConversation:
    turns = []
    for pair in _history(row):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, str) for side in pair)):
            raise FieldError("wrong_type", f"'history' holds {str(pair)[:100]!r}, a pair of strings is expected")
        turns += [("user", pair[0]), ("assistant", pair[1])]
    turns += [("user", instruction(row)), ("assistant", text(row, "output"))]
    return RawConversation(where, tuple(turns), origin(row))


def _history(row: Record) -> list[object]:
    history = row.get("history") or []
    if isinstance(history, str):  # the published file holds the list as JSON text
        try:
            history = parse(history)
        except FieldError:
            raise
        except ValueError as error:
            raise FieldError("wrong_type", f"'history' is a string that is not JSON ({error})") from None
    if not isinstance(history, list):
        raise FieldError("wrong_type", f"'history' is {type(history).__name__}, a list is expected")
    return history
