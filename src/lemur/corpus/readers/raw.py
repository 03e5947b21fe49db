"""What a reader of corpus documents gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RawDocument:
    """A document as its source has it. `licences` is empty where the source as a whole has one licence."""

    where: str  # "name:line" in the fetched file
    text: str
    language: str | None = None  # programming language, by The Stack's names; None for natural language
    licences: tuple[str, ...] = ()
