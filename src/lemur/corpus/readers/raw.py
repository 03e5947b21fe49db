"""The documents that the readers of a corpus source yield."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RawDocument:
    """A document as in its source. `licences` is empty if one licence covers the whole source."""

    where: str  # "name:line" in the fetched file
    text: str
    language: str | None = None  # programming language, as The Stack names it; None for natural language
    licences: tuple[str, ...] = ()
