"""Records with one text field, named by `meta.text_field`: RefinedWeb, Wikipedia, RedPajama, Dolma."""

from collections.abc import Iterator

from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts


def read(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    name = file.meta.get("text_field", "text")
    return rows(file, lambda where, record: RawDocument(where, texts(record, name)[0]))
