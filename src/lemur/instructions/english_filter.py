"""Stage `english_filter`: keep conversations whose instructions are English (appendix A.2.1)."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from lemur.core.counts import Counts
from lemur.instructions.english.parameters import Rules

PACKAGES = ("langdetect", "regex")
CHUNK = 1 << 18  # bytes of conversations that a worker judges at a time: about 0.1 s

log = logging.getLogger(__name__)


class Params(Rules):
    """All of them are rules for one conversation."""


def english_filter(params: Params, conversations: Path, *, kept: Path, rejects: Path, report: Path) -> None:
    """Judge the instructions of each conversation: langdetect first, then runs of non-English characters.

    The workers parse, judge and format the lines; this process only copies bytes, so that all cores stay busy.
    """
    from tqdm import tqdm

    from lemur.core.parallel import map_in_order
    from lemur.instructions.english import keep_or_drop
    from lemur.instructions.english.gold_labels import GoldLabels

    counts = Counts("english_filter")
    languages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sentences: Counter[str] = Counter()
    gold = GoldLabels()
    judged = map_in_order(
        keep_or_drop.judge, _chunks(conversations), start=keep_or_drop.start, arguments=(params, conversations)
    )
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
        languages={source: dict(sorted(verdicts.items())) for source, verdicts in sorted(languages.items())},
        removed_sentences=dict(sorted(sentences.items())),
        gold=gold.report(),
    )
    log.info("english_filter: %d of %d conversations kept", counts.report()["out"], counts.total_in())


def _chunks(path: Path) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) byte offsets of chunks of whole lines."""
    start, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while start < size:
            file.seek(start + CHUNK)
            file.readline()
            stop = min(file.tell(), size)
            yield start, stop
            start = stop
