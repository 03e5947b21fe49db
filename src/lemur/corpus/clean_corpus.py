"""Stage `clean_corpus`: read the corpus's sources and drop what is not usable text or code."""

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.records import Record, jsonl_writer
from lemur.corpus.parameters import Rules
from lemur.corpus.sources import SOURCES, Source, group, source_of

if TYPE_CHECKING:
    from lemur.corpus.keep_or_drop import Item
    from lemur.corpus.readers.raw import RawDocument
    from lemur.sources.fetched import BadRecord, Fetched, FetchedFile

READS = "corpus"  # kind of sources
PACKAGES = ("datatrove", "detect-secrets")
OVER = "over_max_bytes"

log = logging.getLogger(__name__)


class Params(Rules):
    max_bytes: dict[Source, int | None] = Field(
        description="UTF-8 bytes to take from each source; documents are chosen by hash and held in memory until the "
        "whole source is read, so use it at small scales only; null = all"
    )
    seed: int = Field(ge=0, description="seed of that choice")
    split_chars: dict[Source, int] = Field(description="split this source's documents into parts, between paragraphs")
    max_bad_share: float = Field(ge=0, le=1, description="largest share of a source's records that may be malformed")


def clean_corpus(
    params: Params,
    sources: list[Path],
    *,
    documents: Path,
    rejects: Path,
    report: Path,
) -> None:
    """Write the documents that pass the rules, in the order of the sources and their files, with any worker count."""
    from lemur.core.parallel import map_in_order
    from lemur.corpus import keep_or_drop
    from lemur.corpus.documents import documents_writer

    reader = _Reader(params)
    kept: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    redacted: dict[str, Counter[str]] = {}
    with documents_writer(documents) as write, jsonl_writer(rejects) as reject:
        counts = Counts("clean_corpus", reject)
        items = reader.items(documents, sources)
        verdicts = map_in_order(
            keep_or_drop.judge_batch, keep_or_drop.batches(items), start=keep_or_drop.load, arguments=(params,)
        )
        for source, where, record, reason, detail, redactions in chain.from_iterable(verdicts):
            counts.entered(source)
            if reason == OVER:  # dropped by chance alone: the rejects record its place, not its text
                counts.dropped(source, OVER, where=where)
            elif reason is not None:
                counts.dropped(source, reason, record, where=where, detail=detail)
            else:
                assert record is not None
                write(record)
                counts.left(source)
                kept[source] += 1
                characters[source] += len(record["text"])
                redacted.setdefault(source, Counter()).update(redactions)
    counts.write(
        report,
        characters=dict(sorted(characters.items())),
        redacted={source: dict(sorted(kinds.items())) for source, kinds in sorted(redacted.items())},
        places=reader.places,
    )
    log.info("clean_corpus: %d of %d documents kept", kept.total(), counts.total_in())


def _records(fetched: "Fetched", work: Path) -> "Iterator[tuple[FetchedFile, RawDocument | BadRecord]]":
    """Each record with its file. Files that are only listed are downloaded below `work`, one at a time."""
    from tqdm import tqdm

    from lemur.corpus.readers import read
    from lemur.sources.manifest import SourceError
    from lemur.sources.streamed import on_disk

    try:
        for file in tqdm(fetched.files, desc=f"clean_corpus {fetched.name}"):
            with on_disk(file, work) as local:
                for raw in read(local):
                    yield file, raw
    except SourceError as error:
        raise SystemExit(f"clean_corpus: {error}") from None


class _Reader:
    """Reads the sources' folders into documents, and samples the sources that have a limit."""

    def __init__(self, params: Params) -> None:
        from lemur.corpus.sampling import Limit

        if missing := set(SOURCES) - set(params.max_bytes):
            raise ValueError(
                f"params.yaml: clean_corpus.max_bytes lacks {sorted(missing)}; give bytes or null for each"
            )
        self.params = params
        self.limits = {source: Limit(size) for source, size in params.max_bytes.items() if size is not None}
        self.places: dict[str, Record] = {}

    def items(self, work: Path, folders: list[Path]) -> "Iterator[Item]":
        """Documents, and what was dropped before becoming one. Sources with a limit come last: their sample is known
        only when everything is read.

        A file that is only listed is downloaded to `work` and removed after reading.
        """
        for folder in folders:
            yield from self._read(work, folder)
        for source in SOURCES:
            yield from self.limits[source].chosen() if source in self.limits else ()

    def _read(self, work: Path, folder: Path) -> "Iterator[Item]":
        from lemur.corpus.keep_or_drop import Item
        from lemur.corpus.sampling import rank
        from lemur.sources.fetched import BadRecord, load

        fetched = load(folder, streamed=True)
        self.places[fetched.name] = {"place": fetched.place, "revision": fetched.revision}
        entered = bad = 0
        for file, raw in _records(fetched, work):
            entered += 1
            if isinstance(raw, BadRecord):
                bad += 1
                source = source_of(file.meta.get("language", "")) if fetched.name == "stack" else fetched.name
                yield Item(source, raw.where, reason=raw.reason, detail=raw.detail)
                continue
            source = source_of(raw.language) if raw.language is not None else fetched.name
            if source not in SOURCES:
                raise ValueError(f"{file.path}: {source!r} is not a source of the corpus; {list(SOURCES)} are allowed")
            licence = " ".join(raw.licences) or file.licence
            for text in self._parts(source, raw.text):
                item = Item(source, raw.where, text, licence, raw.licences)
                if source not in self.limits:
                    yield item
                    continue
                order = rank(self.params.seed, text)
                for evicted in self.limits[source].push(order, raw.where, len(text.encode()), item):
                    yield Item(source, evicted.where, reason=OVER)
        if bad > self.params.max_bad_share * entered:
            raise ValueError(
                f"{folder}: {bad} of {entered} records are malformed (clean_corpus.max_bad_share allows "
                f"{self.params.max_bad_share}); check the source, or raise that parameter if this is expected"
            )

    def _parts(self, source: str, text: str) -> Iterator[str]:
        from lemur.corpus.cleaning import split, tidy

        size = self.params.split_chars.get(source)  # type: ignore[call-overload]
        shortest = self.params.rules[group(source)].min_chars
        yield from map(tidy, split(text, size, shortest)) if size else [tidy(text)]
