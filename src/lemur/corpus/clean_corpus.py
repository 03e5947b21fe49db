"""Stage `clean_corpus`: read the corpus's sources and drop what is not usable text or code."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lemur.corpus.sources import SOURCES, Source, group, source_of
from lemur.counts import Counts
from lemur.pipeline.params import StageParams
from lemur.records import Record, content_id, jsonl_writer

PACKAGES = ("detect-secrets",)

log = logging.getLogger(__name__)


class GroupRules(StageParams):
    min_chars: int = Field(ge=1, description="shortest document, characters")
    max_chars: int = Field(ge=1, description="longest document, characters")
    max_line_chars: int | None = Field(ge=1, description="longest line, characters; null = any")
    max_mean_line_chars: int | None = Field(
        ge=1, description="mean line, characters: minified code is above; null = any"
    )
    min_alphanumeric_share: float = Field(ge=0, le=1, description="letters and digits among all characters")
    max_broken_share: float = Field(ge=0, le=1, description="control and replacement characters among all")
    generated_markers: list[str] = Field(description="notices of generated files, in the first 10 lines, any case")


class Params(StageParams):
    max_bytes: dict[Source, int | None] = Field(
        description="UTF-8 bytes read of each source, chosen by hash; null = all"
    )
    seed: int = Field(ge=0, description="of that choice")
    split_chars: dict[Source, int] = Field(description="sources whose documents are cut between paragraphs into parts")
    licences: list[str] | None = Field(description="licences of code that are permissive (SPDX); null = any")
    rules: dict[Literal["code", "text"], GroupRules] = Field(description="rules of code and of text")
    secret_detectors: list[str] = Field(description="detectors of detect-secrets; what they find drops the document")
    personal_data: Literal["redact", "keep"] = Field(description="e-mail addresses and public IPv4 addresses")
    max_bad_share: float = Field(ge=0, le=1, description="malformed records of a source that are tolerated")


def clean_corpus(
    params: Params,
    stack: Path,
    refinedweb: Path,
    wikipedia: Path,
    books: Path,
    arxiv: Path,
    stackexchange: Path,
    dm_mathematics: Path,
    *,
    documents: Path,
    rejects: Path,
    report: Path,
) -> None:
    from lemur.corpus.documents import documents_writer

    with documents_writer(documents) as write, jsonl_writer(rejects) as reject:
        counts = Counts("clean_corpus", reject)
        cleaner = _Cleaner(params, counts, write)
        for folder in (stack, refinedweb, wikipedia, books, arxiv, stackexchange, dm_mathematics):
            cleaner.read(folder)
        cleaner.finish()
    redacted = {source: dict(sorted(kinds.items())) for source, kinds in sorted(cleaner.redacted.items())}
    characters = dict(sorted(cleaner.characters.items()))
    counts.write(report, characters=characters, redacted=redacted, places=cleaner.places)
    log.info("clean_corpus: %d of %d documents kept", sum(cleaner.kept.values()), counts.total_in())


class _Cleaner:
    def __init__(self, params: Params, counts: Counts, write: Callable[[Record], Any]) -> None:
        from lemur.corpus.privacy import Secrets
        from lemur.corpus.sampling import Limit

        if missing := set(SOURCES) - set(params.max_bytes):
            raise ValueError(
                f"params.yaml: clean_corpus.max_bytes lacks {sorted(missing)}; give bytes or null for each"
            )
        self.params = params
        self.counts = counts
        self.write = write
        self.secrets = Secrets(params.secret_detectors)
        self.limits = {source: Limit(size) for source, size in params.max_bytes.items() if size is not None}
        self.kept: Counter[str] = Counter()
        self.characters: Counter[str] = Counter()
        self.redacted: dict[str, Counter[str]] = {}
        self.places: dict[str, Record] = {}

    def read(self, folder: Path) -> None:
        """Clean what a source's folder holds. What has a limit waits for `finish`, when it is known what is chosen."""
        from tqdm import tqdm

        from lemur.corpus.readers import read
        from lemur.corpus.sampling import rank
        from lemur.sources.fetched import BadRecord, load

        fetched = load(folder)
        self.places[fetched.name] = {"place": fetched.place, "revision": fetched.revision}
        entered = bad = 0
        for file in tqdm(fetched.files, desc=f"clean_corpus {fetched.name}"):
            for raw in read(file):
                entered += 1
                if isinstance(raw, BadRecord):
                    bad += 1
                    source = source_of(file.meta.get("language", "")) if fetched.name == "stack" else fetched.name
                    self.counts.entered(source)
                    self.counts.dropped(source, raw.reason, None, where=raw.where, detail=raw.detail)
                    continue
                source = source_of(raw.language) if raw.language is not None else fetched.name
                if source not in SOURCES:
                    raise ValueError(f"{file.path}: {source!r} is no source of the corpus; {list(SOURCES)} are")
                licence = " ".join(raw.licences) or file.licence
                for text in self._parts(source, raw.text):
                    self.counts.entered(source)
                    item = (source, text, licence, list(raw.licences), raw.where)
                    if source not in self.limits:
                        self._clean(*item)
                        continue
                    order = rank(self.params.seed, text)
                    # Judged by nothing but chance, so not kept among the rejects.
                    for fallen in self.limits[source].push(order, raw.where, len(text.encode()), item):
                        self.counts.dropped(fallen[0], "over_max_bytes")
        if bad > self.params.max_bad_share * entered:
            raise ValueError(
                f"{folder}: {bad} of {entered} records are malformed (clean_corpus.max_bad_share allows "
                f"{self.params.max_bad_share}); look at the source, or raise that parameter if this is expected"
            )

    def finish(self) -> None:
        for source in SOURCES:
            for item in self.limits[source].chosen() if source in self.limits else ():
                self._clean(*item)

    def _parts(self, source: str, text: str) -> Iterator[str]:
        from lemur.corpus.cleaning import split, tidy

        size = self.params.split_chars.get(source)  # type: ignore[call-overload]
        yield from map(tidy, split(text, size)) if size else [tidy(text)]

    def _clean(self, source: str, text: str, licence: str, licences: list[str], where: str) -> None:
        from lemur.corpus.cleaning import fault
        from lemur.corpus.privacy import redact

        kind = group(source)
        record = {"source": source, "group": kind, "licence": licence, "text": text}
        found = fault(text, self.params.rules[kind])
        allowed = self.params.licences
        if kind == "code" and allowed is not None and not (licences and set(licences) <= set(allowed)):
            found = "licence", f"{licences} are not all permissive" if licences else "none is known"
        if not found and (secret := self.secrets.find(text)):
            found = "secret", secret
        if found:
            self.counts.dropped(source, found[0], record, where=where, detail=found[1])
            return
        if self.params.personal_data == "redact":
            text, kinds = redact(text)
            self.redacted.setdefault(source, Counter()).update(kinds)
            record["text"] = text
        self.write({"id": content_id(source, text), **record})
        self.counts.left(source)
        self.kept[source] += 1
        self.characters[source] += len(text)
