"""One module per schema of a corpus source; `read` picks the reader by the schema in the source's manifest."""

from collections.abc import Iterator

from lemur.corpus.readers import dm_mathematics, latex, markdown_play, plain, stack, text_jsonl, wikitext
from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import reader

_READERS = {
    "dm_mathematics": dm_mathematics.read,
    "latex": latex.read,
    "markdown_play": markdown_play.read,
    "plain_text": plain.read_file,
    "source_files": plain.read_file,
    "stack": stack.read,
    "text_jsonl": text_jsonl.read,
    "text_lines": plain.read_lines,
    "wikitext": wikitext.read,
}


def read(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    """Documents of one file. Raises `ValueError` for a schema without a reader."""
    return reader(file, _READERS, "document")(file)
