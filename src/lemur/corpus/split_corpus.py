"""Stage `split_corpus`: hold out a fixed share of every source for evaluation."""

import logging
from collections.abc import Iterator
from heapq import nsmallest
from pathlib import Path

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.params import StageParams

log = logging.getLogger(__name__)


class Params(StageParams):
    share: float = Field(ge=0, lt=1, description="share of a source's documents to hold out, chosen by a hash of ids")
    min_documents: int = Field(ge=0, description="fewest documents to hold out of a source, but never over half of it")
    max_bytes: int = Field(ge=0, description="most UTF-8 bytes to hold out of a source")
    seed: int = Field(ge=0, description="seed of the choice")


def split_corpus(params: Params, documents: Path, *, train: Path, heldout: Path, report: Path) -> None:
    """A document's id decides its side, so adding data moves no document from one side to the other.

    Only `min_documents` and `max_bytes` can move one; they add and remove documents by the same rank.
    """
    from lemur.corpus.documents import documents_writer, read_source
    from lemur.corpus.sources import SOURCES

    counts = Counts("split_corpus")
    sizes = {}
    with documents_writer(train) as write_train, documents_writer(heldout) as write_heldout:
        for source in SOURCES:
            heldout_ids, sizes[source] = _choose(params, documents, source)
            for record in read_source(documents, source):
                counts.entered(source)
                if record["id"] in heldout_ids:
                    counts.dropped(source, "held_out")
                    write_heldout(record)
                else:
                    counts.left(source)
                    write_train(record)
    counts.write(report, heldout_bytes=sizes)
    log.info("split_corpus: %d of %d documents held out", counts.total_dropped("held_out"), counts.total_in())


def _choose(params: Params, documents: Path, source: str) -> tuple[set[str], int]:
    """The ids to hold out, and their documents' bytes."""
    from lemur.corpus.documents import read_source
    from lemur.corpus.sampling import rank

    limit = int(params.share * 2**64)
    below_limit: list[tuple[int, str, int]] = []
    count = 0

    def rows() -> Iterator[tuple[int, str, int]]:
        nonlocal count
        for record in read_source(documents, source):
            count += 1
            row = rank(params.seed, record["id"]), record["id"], len(record["text"].encode())
            if row[0] < limit:
                below_limit.append(row)
            yield row

    # Documents that cannot be chosen leave nothing in memory.
    lowest = nsmallest(max(params.min_documents, 1), rows())
    minimum = min(params.min_documents, count // 2)
    chosen: set[str] = set()
    total = 0
    for number, (document_rank, identifier, size) in enumerate(sorted({*below_limit, *lowest})):
        if document_rank >= limit and number >= minimum:
            break
        if total + size <= params.max_bytes:
            chosen.add(identifier)
            total += size
    return chosen, total
