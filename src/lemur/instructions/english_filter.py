"""Stage `english_filter`: keep conversations whose instructions are English (appendix A.2.1)."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lemur.counts import Counts
from lemur.pipeline.params import StageParams

if TYPE_CHECKING:
    from lemur.instructions.english_judging import Judged

PACKAGES = ("langdetect", "regex")
CHUNK = 1 << 18  # bytes of conversations that a worker judges at a time: some 0.1 s

log = logging.getLogger(__name__)


class Params(StageParams):
    sources: dict[str, Literal["detect", "label", "none"]] = Field(
        description="rule of each source: detect, label (the source's own language label decides), none"
    )
    seed: int = Field(ge=0, description="langdetect's seed, the same for every text")
    undetermined: Literal["keep", "drop"] = Field(description="instructions in which langdetect finds nothing to judge")
    foreign_run: int = Field(ge=1, description="consecutive non-English characters that make text foreign")
    unit: Literal["conversation", "sentence"] = Field(description="what such a run removes")


def english_filter(params: Params, conversations: Path, *, kept: Path, rejects: Path, report: Path) -> None:
    """Judge the instructions of each conversation: langdetect first, then runs of non-English characters.

    The workers read, judge and write lines; this process only copies bytes, so that as many cores work as there are.
    """
    from tqdm import tqdm

    from lemur.instructions.gold_labels import GoldLabels
    from lemur.parallel import in_order

    counts = Counts("english_filter")
    languages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sentences: Counter[str] = Counter()
    gold = GoldLabels()
    judged = in_order(_judge, _chunks(conversations), start=_start, arguments=(params, conversations))
    with (
        kept.open("wb") as kept_lines,
        rejects.open("wb") as rejected_lines,
        tqdm(desc="english_filter", unit=" conversations") as progress,
    ):
        for chunk in judged:
            kept_lines.write(chunk.kept)
            rejected_lines.write(chunk.rejects)
            counts.add(chunk.counts)
            progress.update(chunk.counts["in"])
            for source, verdicts in chunk.languages.items():
                languages[source].update(verdicts)
            sentences.update(chunk.sentences)
            gold.update(chunk.gold)
    counts.write(
        report,
        languages={source: dict(sorted(found.items())) for source, found in sorted(languages.items())},
        removed_sentences=dict(sorted(sentences.items())),
        gold=gold.report(),
    )
    log.info("english_filter: %d of %d conversations kept", counts.report()["out"], counts.total_in())


def _start(params: Params, conversations: Path) -> None:
    from lemur.instructions import english_judging  # here, so that only the workers spend 0.2 s on it

    english_judging.start(params, conversations)


def _judge(chunk: tuple[int, int]) -> "Judged":
    from lemur.instructions import english_judging

    return english_judging.judge(chunk)


def _chunks(path: Path) -> Iterator[tuple[int, int]]:
    """(start, stop) in bytes of runs of whole lines."""
    start, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while start < size:
            file.seek(start + CHUNK)
            file.readline()
            stop = min(file.tell(), size)
            yield start, stop
            start = stop
