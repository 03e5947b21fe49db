"""Plain files: one document per file (source files, books) or per line."""

from collections.abc import Iterator

from lemur.corpus.readers.notebook import NOTEBOOK, notebook_text
from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import lines, whole_text
from lemur.sources.reading.rows import FieldError


def read_file(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    """A source file's language is the manifest's `meta.language`; its licence is its archive's."""
    text = whole_text(file)
    language = file.meta.get("language")
    if isinstance(text, str) and language == NOTEBOOK:
        try:
            text = notebook_text(text)
        except FieldError as error:
            text = BadRecord(file.name, error.reason, error.detail)
        except TypeError as error:
            text = BadRecord(file.name, "wrong_type", str(error))
    if isinstance(text, BadRecord):
        yield text
        return
    yield RawDocument(file.name, text, language, (file.licence,) if language else ())


def read_lines(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    for line in lines(file):
        yield line if isinstance(line, BadRecord) else RawDocument(*line)
