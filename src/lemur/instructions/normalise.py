"""Stage `normalise`: bring every instruction source into one conversation schema."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.rejects import SUFFIX
from lemur.instructions.normalising.judging import Verify
from lemur.instructions.normalising.parameters import Conversion

if TYPE_CHECKING:
    from lemur.core.parallel import Pool
    from lemur.instructions.normalising.converting import Converted, InputShard
    from lemur.instructions.normalising.judging import OutputShard
    from lemur.sources.fetched import Fetched

READS = "instructions"  # kind of sources
PACKAGES = ("beautifulsoup4", "markdownify")

log = logging.getLogger(__name__)


class Params(Conversion):
    verify: Verify = Field(
        description="Python problems: run their tests, or drop or keep the problems without running them"
    )
    verify_timeout_s: int = Field(
        gt=0, description="processor seconds of a program's first run; a second run, alone, gets five times as many"
    )
    verify_memory_mb: int = Field(ge=16, description="megabytes for one program")
    shard_bytes: int = Field(
        ge=1,
        description="most bytes of one shard: of its files as the source stores them, and of its records as JSON; a "
        "larger file gives several shards",
    )
    max_bad_share: float = Field(ge=0, le=1, description="share of a source's records that may be malformed")


def normalise(
    params: Params,
    sources: list[Path],
    *,
    conversations: Path,
    rejects: Path,
    report: Path,
) -> None:
    """Read all sources, clean every message, check the order of turns and drop everything that is not a conversation.

    Raises `ValueError` if a source has more malformed records than allowed, and `lemur.sandbox.Unavailable` if programs
    must run and no sandbox works: a verdict that depends on the machine must not reach the artifact.
    """
    from tqdm import tqdm

    from lemur.core.parallel import Pool
    from lemur.core.shards import map_shards, scratch_beside
    from lemur.core.source_shards import shard_name
    from lemur.instructions.normalising.judging import judge
    from lemur.sources.fetched import load

    fetched = [load(folder) for folder in sources]
    conversations.mkdir(parents=True)
    rejects.mkdir(parents=True)
    counts = Counts("normalise")
    turns: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with scratch_beside(conversations) as scratch, Pool() as pool:
        converted = _convert(params, fetched, scratch, pool)
        for shard, result in converted:
            turns[shard.fetched].update(result.turns)
        shards = list(_output_shards(params, converted, conversations, rejects))
        reports = map_shards(partial(judge, params.verify), shards, scratch=scratch, pool=pool)
        for shard_counts in tqdm(reports, desc="normalise", total=len(shards), unit="shard"):
            counts.add(shard_counts)
    for source in fetched:
        if not (first := conversations / shard_name(source.name, 0)).exists():
            first.touch()
    counts.write(
        report,
        dropped_turns={source: dict(sorted(dropped.items())) for source, dropped in sorted(turns.items())},
        places={
            source.name: {"place": source.place, "revision": source.revision, "title": source.title}
            for source in fetched
        },
        verify=params.verify,
    )
    log.info("normalise: %d records in, %d conversations out", counts.total_in(), counts.report()["out"])


def _convert(
    params: Params, fetched: "Sequence[Fetched]", scratch: Path, pool: "Pool"
) -> "list[tuple[InputShard, Converted]]":
    """Convert the sources' files, in groups of at most `shard_bytes`."""
    from tqdm import tqdm

    from lemur.core.shards import map_shards
    from lemur.instructions.normalising.converting import InputShard, convert
    from lemur.sources.grouping import groups
    from lemur.sources.malformed import Malformed

    shards = []
    for source in fetched:
        for number, files in enumerate(groups(source.files, params.shard_bytes)):
            name = f"{source.name}-{number:05d}"
            outputs = {role: scratch / role / name for role in ("items", "keys")}
            shards.append(InputShard(name, tuple(file.path for file in files), outputs, source.name, files))
    results = map_shards(partial(convert, params, params.shard_bytes), shards, scratch=scratch, pool=pool)
    progress = tqdm(results, desc="normalise reads", total=len(shards), unit="shard")
    malformed = Malformed("normalise", params.max_bad_share)
    return list(malformed.checked(zip(shards, progress, strict=True)))


def _output_shards(
    params: Params, converted: "list[tuple[InputShard, Converted]]", conversations: Path, rejects: Path
) -> "Iterator[OutputShard]":
    """The shards to write, with what tells which of their records stay: repetitions, and results of tests."""
    from lemur.core.source_shards import shard_name
    from lemur.instructions.normalising.judging import OutputShard, run_programs
    from lemur.instructions.normalising.repetitions import repetitions

    for source, read in groupby(converted, key=lambda pair: pair[0].fetched):
        of_source = list(read)
        marks = repetitions([shard.outputs["keys"] for shard, _ in of_source]).tobytes()
        first = number = 0
        for shard, result in of_source:
            items = shard.outputs["items"]
            for cut in result.cuts:
                name = shard_name(source, number)
                stem = name.removesuffix(".jsonl")
                output = OutputShard(
                    stem,
                    (items,),
                    {"conversations": conversations / name, "rejects": rejects / f"{stem}{SUFFIX}"},
                    source,
                    cut.start,
                    marks[first : first + cut.records],
                )
                if params.verify == "run" and result.programs:
                    # Here and not in the workers, because a program that timed out runs alone the second time.
                    tested = items.with_name(f"{stem}.tested")
                    run_programs(output, tested, timeout_s=params.verify_timeout_s, memory_mb=params.verify_memory_mb)
                    output = replace(output, inputs=(items, tested))
                yield output
                first += cut.records
                number += 1
