"""Stage `english_filter`: keep conversations whose instructions are English (appendix A.2.1)."""

import logging
from collections import Counter, defaultdict
from pathlib import Path

from lemur.core.counts import Counts
from lemur.instructions.english.parameters import Rules

PACKAGES = ("langdetect", "regex")

log = logging.getLogger(__name__)


class Params(Rules):
    """All of them are rules for one conversation."""


def english_filter(params: Params, conversations: Path, *, kept: Path, rejects: Path, report: Path) -> None:
    """Judge the instructions of each conversation: langdetect first, then runs of non-English characters."""
    from tqdm import tqdm

    from lemur.core.rejects import SUFFIX
    from lemur.core.shards import map_shards, scratch_beside
    from lemur.instructions.conversations import all_shards
    from lemur.instructions.english import keep_or_drop
    from lemur.instructions.english.gold_labels import GoldLabels

    # Jobs need no order, and shards no chunks, to keep all cores busy to the end: `normalise` has cut even a source of
    # one file into many shards of about one size (`shard_bytes`).
    shards = [
        keep_or_drop.Shard(
            path.stem, (path,), {"kept": kept / path.name, "rejects": rejects / f"{path.stem}{SUFFIX}"}, source
        )
        for source, path in all_shards(conversations)
    ]
    kept.mkdir(parents=True)
    rejects.mkdir(parents=True)
    counts = Counts("english_filter")
    languages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sentences: Counter[str] = Counter()
    gold = GoldLabels()
    with scratch_beside(kept) as scratch:
        judged = map_shards(keep_or_drop.judge, shards, scratch=scratch, start=keep_or_drop.start, arguments=(params,))
        for result in tqdm(judged, desc="english_filter", total=len(shards), unit="shard"):
            counts.add(result.counts)
            for source, verdicts in result.languages.items():
                languages[source].update(verdicts)
            sentences.update(result.sentences)
            gold.update(result.gold)
    counts.write(
        report,
        languages={source: dict(sorted(verdicts.items())) for source, verdicts in sorted(languages.items())},
        removed_sentences=dict(sorted(sentences.items())),
        gold=gold.report(),
    )
    log.info("english_filter: %d of %d conversations kept", counts.report()["out"], counts.total_in())
