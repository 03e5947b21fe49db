"""What every reader yields: a conversation as the source has it, or a `BadRecord`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lemur.core.files import read_text
from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, DamagedFile, FetchedFile
from lemur.sources.reading.rows import FieldError
from lemur.sources.reading.rows import rows as rows_of
from lemur.sources.reading.values import parse


@dataclass(frozen=True)
class RawConversation:
    """A conversation before normalisation. `turns`: (role as the source writes it, content)."""

    where: str
    turns: tuple[tuple[str, str], ...]
    origin: str | None = None  # the source's own id
    language: str | None = None  # the source's own label: ISO 639-1, or as the source writes it
    licence: str | None = None  # if it differs from the file's
    program: str | None = None  # solution and tests; keep the conversation only if it passes in the sandbox


def text(row: Record, field: str, default: str | None = None) -> str:
    """`row[field]`, which must be a string; `default` if the field is absent or null."""
    value = row.get(field)
    if value is None:
        if default is None:
            problem = "is null" if field in row else f"is missing; the record has {sorted(row)}"
            raise FieldError("missing_field", f"{field!r} {problem}")
        return default
    if not isinstance(value, str):
        raise FieldError("wrong_type", f"{field!r} is {type(value).__name__}, a string is expected")
    return value


def rows(row: Record, field: str) -> list[Record]:
    """`row[field]`, which must be a list of objects."""
    if field not in row:
        raise FieldError("missing_field", f"{field!r} is missing; the record has {sorted(row)}")
    value = row[field]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise FieldError("wrong_type", f"{field!r} is not a list of objects")
    return value


def origin(row: Record, field: str = "id") -> str | None:
    """The source's own id as a string; None if it has none."""
    value = row.get(field)
    return None if value is None else str(value)


def read_with(
    file: FetchedFile, convert: Callable[[str, Record], RawConversation | Sequence[RawConversation | BadRecord]]
) -> Iterator[RawConversation | BadRecord]:
    """Convert every record of a file; a record that cannot be converted becomes a `BadRecord`."""
    labels = _read_labels(file)
    default = file.meta.get("language")
    items: Iterator[RawConversation | Sequence[RawConversation | BadRecord] | BadRecord] = rows_of(file, convert)
    for item in items:
        for conversation in [item] if isinstance(item, RawConversation | BadRecord) else item:
            if isinstance(conversation, BadRecord):
                yield conversation
            else:
                yield _add_label(conversation, labels, default)


def _read_labels(file: FetchedFile) -> dict[str, str]:
    path = file.companion("languages")
    if path is None:
        return {}
    try:
        labels = parse(read_text(path))
    except ValueError as error:
        raise DamagedFile(f"{path} cannot be read as JSON ({error}); fetch it again") from None
    if not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
        raise DamagedFile(f"{path}: not an object of language labels by conversation id; fetch it again")
    return labels


def _add_label(conversation: RawConversation, labels: dict[str, str], default: Any) -> RawConversation:
    label = conversation.language or labels.get(conversation.origin or "") or default
    return replace(conversation, language=label) if label != conversation.language else conversation
