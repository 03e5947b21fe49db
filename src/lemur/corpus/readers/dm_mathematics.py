"""DM Mathematics: one file per module, with alternating question and answer lines; written as pairs with a blank line
between them.

A file is one document, which `clean_corpus` splits between pairs.
"""

from collections.abc import Iterator

from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import whole_text


def read(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    text = whole_text(file)
    if isinstance(text, BadRecord):
        yield text
        return
    lines = text.splitlines()
    if len(lines) % 2:
        yield BadRecord(f"{file.name}:{len(lines)}", "missing_field", "the last question has no answer line")
    pairs = zip(lines[::2], lines[1::2], strict=False)
    yield RawDocument(file.name, "\n\n".join(f"{question}\n{answer}" for question, answer in pairs) + "\n")
