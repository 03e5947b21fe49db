"""The Stack: {content, lang, max_stars_repo_path, max_stars_repo_name, max_stars_repo_licenses: [SPDX id, ...]}."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.corpus.readers.notebook import NOTEBOOK, notebook_text
from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts


def read(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    return rows(file, lambda where, record: convert(where, record, file.meta.get("language")))


def convert(where: str, record: Record, language: str | None = None) -> RawDocument:
    """`language` is the manifest's for the whole file; if None, the record's `lang` is used."""
    language = language or texts(record, "lang")[0]
    licences = record["max_stars_repo_licenses"]
    if not isinstance(licences, list) or not all(isinstance(licence, str) for licence in licences):
        raise TypeError(f"max_stars_repo_licenses is {licences!r}; a list of SPDX ids is allowed")
    content = texts(record, "content")[0].replace("\r\n", "\n")
    if language == NOTEBOOK:
        content = notebook_text(content)
    return RawDocument(where, content, language, tuple(licences))
