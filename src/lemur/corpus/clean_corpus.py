"""Stage `clean_corpus`: read the corpus's sources and drop what is not usable text or code."""

import logging
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.records import Record, jsonl_writer
from lemur.corpus.parameters import Reading, Rules
from lemur.corpus.sources import SOURCES

if TYPE_CHECKING:
    from lemur.core.parallel import Pool
    from lemur.corpus.input_shards import InputShard
    from lemur.corpus.privacy import Secrets
    from lemur.sources.malformed import Malformed

READS = "corpus"  # kind of sources
PACKAGES = ("datatrove", "detect-secrets")

log = logging.getLogger(__name__)


class Params(Reading):
    shard_bytes: int = Field(
        ge=1, description="most bytes of the files of one shard, as the source stores them; a larger file is a shard"
    )
    max_bad_share: float = Field(ge=0, le=1, description="largest share of a source's records that may be malformed")


def clean_corpus(
    params: Params,
    sources: list[Path],
    *,
    documents: Path,
    rejects: Path,
    report: Path,
) -> None:
    """Write the documents that pass the rules, shard by shard in the order of the sources and their files."""
    from tqdm import tqdm

    from lemur.core.parallel import Pool
    from lemur.core.shards import map_shards, scratch_beside
    from lemur.core.source_shards import shard_name
    from lemur.corpus import keep_or_drop
    from lemur.corpus.input_shards import input_shards
    from lemur.sources.fetched import load
    from lemur.sources.malformed import Malformed

    fetched = [load(folder, streamed=True) for folder in sources]
    shards = input_shards(fetched, params.shard_bytes, documents, rejects)
    documents.mkdir(parents=True)
    rejects.mkdir(parents=True)
    counts, cleaned, malformed = Counts("clean_corpus"), Cleaned(), Malformed("clean_corpus", params.max_bad_share)
    with scratch_beside(documents) as scratch, Pool() as pool:
        shards = _with_choice(params, shards, malformed, scratch, pool)
        judge = partial(clean_shard, params)
        results = map_shards(judge, shards, scratch=scratch, start=keep_or_drop.load, arguments=(params,), pool=pool)
        progress = tqdm(results, desc="clean_corpus", total=len(shards), unit="shard")
        for _, result in malformed.checked(zip(shards, progress, strict=True)):
            counts.add(result.counts)
            cleaned.add(result)
    for source in SOURCES:
        if not (first := documents / shard_name(source, 0)).exists():
            first.touch()
    counts.write(
        report,
        characters=dict(sorted(cleaned.characters.items())),
        redacted={source: dict(sorted(kinds.items())) for source, kinds in sorted(cleaned.redacted.items())},
        places={source.name: {"place": source.place, "revision": source.revision} for source in fetched},
    )
    log.info("clean_corpus: %d of %d documents kept", counts.report()["out"], counts.total_in())


@dataclass
class Cleaned:
    """What a shard gave: a report of `Counts`, records read, and by source the characters kept and redactions made."""

    counts: Record = field(default_factory=dict)
    records: int = 0
    malformed: int = 0
    characters: Counter[str] = field(default_factory=Counter)
    redacted: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: "Cleaned") -> None:
        self.characters.update(other.characters)
        for source, kinds in other.redacted.items():
            self.redacted.setdefault(source, Counter()).update(kinds)


def clean_shard(params: Reading, state: "tuple[Rules, Secrets]", shard: "InputShard") -> Cleaned:
    """Judge a shard's documents by the rules and detectors that `keep_or_drop.load` gave."""
    from lemur.core.rejects import rejects_writer
    from lemur.corpus.keep_or_drop import judge
    from lemur.corpus.proposals import OVER, proposed
    from lemur.corpus.reading import Items

    rules, secrets = state
    result = Cleaned()
    items = Items(params, shard, shard.outputs["rejects"].parent)
    with ExitStack() as stack:
        write = {source: stack.enter_context(jsonl_writer(shard.outputs[source])) for source in shard.sources}
        counts = Counts("clean_corpus", stack.enter_context(rejects_writer(shard.outputs["rejects"])))
        for item in items if shard.items is None else proposed(params, shard.items, shard.chosen):
            source, where, record, reason, detail, redactions = judge(rules, secrets, item)
            counts.entered(source)
            if reason == OVER:  # dropped by chance alone: the rejects record its place, not its text
                counts.dropped(source, OVER, where=where)
            elif reason is not None:
                counts.dropped(source, reason, record, where=where, detail=detail)
            else:
                assert record is not None
                write[source](record)
                counts.left(source)
                result.characters[source] += len(record["text"])
                result.redacted.setdefault(source, Counter()).update(redactions)
    result.counts, result.records, result.malformed = counts.report(), items.records, items.malformed
    return result


def _with_choice(
    params: Params, shards: "list[InputShard]", malformed: "Malformed", scratch: Path, pool: "Pool"
) -> "list[InputShard]":
    """The shards, those with documents of a source that has a limit after the choice among them."""
    from tqdm import tqdm

    from lemur.core.shards import map_shards
    from lemur.corpus.proposals import choose, limits, propose

    limited = limits(params)
    drawn = [
        replace(shard, outputs={"items": scratch / "proposed" / f"{shard.name}.jsonl"})
        for shard in shards
        if limited.keys() & set(shard.sources)
    ]
    results = map_shards(partial(propose, params), drawn, scratch=scratch, pool=pool)
    progress = tqdm(results, desc="clean_corpus samples", total=len(drawn), unit="shard")
    read = malformed.checked(zip(drawn, progress, strict=True))
    chosen = choose(params, ((shard.name, proposals) for shard, proposals in read))
    items = {shard.name: shard.outputs["items"] for shard in drawn}
    return [replace(shard, items=items.get(shard.name), chosen=chosen.get(shard.name, frozenset())) for shard in shards]
