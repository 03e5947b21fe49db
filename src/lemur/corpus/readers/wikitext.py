"""WikiText: tokenised articles under ` = Title = ` lines, turned back into running text."""

import re
from collections.abc import Iterator

from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import whole_text

_TITLE = re.compile(r"^ = [^=].* = $", re.MULTILINE)
_HEADING = re.compile(r"^ (?:= )+(.+?)(?: =)+ *$", re.MULTILINE)
# WikiText puts spaces around punctuation, and @ as well inside a word or number: 1 @,@ 000, guest @-@ star.
_REPAIRS = [
    (re.compile(r" @([-,.])@ "), r"\1"),
    (re.compile(r" ([,.;:!?)\]}%]|'s\b|n't\b|'(?=\s))"), r"\1"),
    (re.compile(r"([(\[{$£]) "), r"\1"),
    (re.compile(r'" ([^"\n]*?) "'), r'"\1"'),
    (re.compile(r"^ +| +$", re.MULTILINE), ""),
    (re.compile(r"\n{3,}"), "\n\n"),
]


def read(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    text = whole_text(file)
    if isinstance(text, BadRecord):
        yield text
        return
    starts = [match.start() for match in _TITLE.finditer(text)]
    if not starts:
        yield BadRecord(file.name, "missing_field", "no article begins with a line ' = Title = '")
        return
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield RawDocument(f"{file.name}:{text.count(chr(10), 0, start) + 1}", detokenise(text[start:end]))


def detokenise(article: str) -> str:
    article = _HEADING.sub(r"\1\n", article)
    for pattern, replacement in _REPAIRS:
        article = pattern.sub(replacement, article)
    return article.strip() + "\n"
