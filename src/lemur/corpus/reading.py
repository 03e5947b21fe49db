"""Reads a shard's files into documents that `keep_or_drop` can judge."""

from collections.abc import Iterator
from pathlib import Path

from lemur.corpus.cleaning import split, tidy
from lemur.corpus.input_shards import InputShard
from lemur.corpus.keep_or_drop import Item
from lemur.corpus.parameters import Reading
from lemur.corpus.readers import read
from lemur.corpus.readers.raw import RawDocument
from lemur.corpus.sources import group, source_of
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.manifest import SourceError
from lemur.sources.streamed import on_disk


class Items:
    """The documents of a shard, and the records that could not become one, in the order of the files.

    `records` and `malformed` count the records read so far. A file that is only listed is downloaded below `work` and
    removed after reading.
    """

    def __init__(self, params: Reading, shard: InputShard, work: Path) -> None:
        self._params = params
        self._shard = shard
        self._work = work
        self.records = self.malformed = 0

    def __iter__(self) -> Iterator[Item]:
        for file, raw in self._records():
            self.records += 1
            if isinstance(raw, BadRecord):
                self.malformed += 1
                yield Item(self._source(None), raw.where, reason=raw.reason, detail=raw.detail)
                continue
            source = self._source(raw.language)
            licence = " ".join(raw.licences) or file.licence
            for text in self._parts(source, raw.text):
                yield Item(source, raw.where, text, licence, raw.licences)

    def _source(self, language: str | None) -> str:
        return self._shard.sources[0] if len(self._shard.sources) == 1 else source_of(language or "")

    def _records(self) -> Iterator[tuple[FetchedFile, RawDocument | BadRecord]]:
        try:
            for file in self._shard.files:
                with on_disk(file, self._work) as local:
                    for raw in read(local):
                        yield file, raw
        except SourceError as error:
            raise SystemExit(f"clean_corpus: {error}") from None

    def _parts(self, source: str, text: str) -> Iterator[str]:
        size = self._params.split_chars.get(source)  # type: ignore[call-overload]
        shortest = self._params.rules[group(source)].min_chars
        yield from map(tidy, split(text, size, shortest)) if size else [tidy(text)]
