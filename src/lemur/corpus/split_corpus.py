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
    share: float = Field(ge=0, lt=1, description="of a source's documents, chosen by a hash of their ids")
    min_documents: int = Field(ge=0, description="held out of each source, though never more than half of it")
    max_bytes: int = Field(ge=0, description="UTF-8 bytes held out of each source at most")
    seed: int = Field(ge=0, description="of the choice")


def split_corpus(params: Params, documents: Path, *, train: Path, heldout: Path, report: Path) -> None:
    """A document's side follows from its id, so that more data moves none from one side to the other.

    Exceptions are `min_documents` and `max_bytes`, which take and give back by the same rank.
    """
    from lemur.corpus.documents import documents_writer, read_source
    from lemur.corpus.sources import SOURCES

    counts = Counts("split_corpus")
    sizes = {}
    with documents_writer(train) as write_train, documents_writer(heldout) as write_heldout:
        for source in SOURCES:
            chosen, sizes[source] = _chosen(params, documents, source)
            for record in read_source(documents, source):
                counts.entered(source)
                if record["id"] in chosen:
                    counts.dropped(source, "held_out")
                    write_heldout(record)
                else:
                    counts.left(source)
                    write_train(record)
    counts.write(report, heldout_bytes=sizes)
    log.info("split_corpus: %d of %d documents held out", counts.total_dropped("held_out"), counts.total_in())


def _chosen(params: Params, documents: Path, source: str) -> tuple[set[str], int]:
    """Ids held out and their bytes."""
    from lemur.corpus.documents import read_source
    from lemur.corpus.sampling import rank

    limit = int(params.share * 2**64)
    below: list[tuple[int, str, int]] = []
    count = 0

    def rows() -> Iterator[tuple[int, str, int]]:
        nonlocal count
        for record in read_source(documents, source):
            count += 1
            row = rank(params.seed, record["id"]), record["id"], len(record["text"].encode())
            if row[0] < limit:
                below.append(row)
            yield row

    # Nothing is kept of documents that cannot be chosen, so that memory does not grow with them.
    first = nsmallest(max(params.min_documents, 1), rows())
    least = min(params.min_documents, count // 2)
    chosen: set[str] = set()
    total = 0
    for number, (place, identifier, size) in enumerate(sorted({*below, *first})):
        if place >= limit and number >= least:
            break
        if total + size <= params.max_bytes:
            chosen.add(identifier)
            total += size
    return chosen, total
