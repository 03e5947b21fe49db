"""LaTeX sources: the document's body without comments, as RedPajama prepared its ArXiv part."""

import re
from collections.abc import Iterator

from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import whole_text

_COMMENT_LINE = re.compile(r"^[ \t]*%.*\n?", re.MULTILINE)
_COMMENT = re.compile(r"(?<!\\)%.*$", re.MULTILINE)
_BODY = re.compile(r"\\begin\{document\}(.*?)(?:\\end\{document\}|\Z)", re.DOTALL)


def read(file: FetchedFile) -> Iterator[RawDocument | BadRecord]:
    text = whole_text(file)
    if isinstance(text, BadRecord):
        yield text
        return
    body = _BODY.search(text)
    text = _COMMENT_LINE.sub("", body[1] if body else text)
    # A % at the end of a line joins it to the next, so keep the % and drop the text after it.
    yield RawDocument(file.name, _COMMENT.sub("%", text).strip() + "\n")
