"""Keys of the documents' MinHash bands. Documents with the same key are candidates."""

import json
from collections.abc import Iterator, Sequence

import numpy as np

from lemur.core.rank import rank
from lemur.corpus.dedup.exact import COPY
from lemur.corpus.dedup.minhash import band_keys, mixed, shingle_sets, signatures
from lemur.corpus.dedup.partitions import read_rows, write_rows
from lemur.corpus.dedup.renaming import renamed_shingle_sets, strip_licence
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.dedup.spans import Span, address, lines
from lemur.corpus.sources import CODE

BATCH_BYTES = 1 << 21  # of documents whose shingles are in memory together
WORDS, RENAMED = KINDS = (0, 1)
# `key`: of one band of one kind, with the kind in its lowest bit. `rank`: the order of the documents with this key; it
# follows from their ids alone, so it is the same in every band and for every division into shards.
KEYED = np.dtype([("key", "u8"), ("rank", "u8"), ("address", "u8")])


def shingles_of(kind: int, texts: Sequence[str], is_code: bool, settings: Settings) -> list[np.ndarray]:
    """Each text's shingles of words, or those that ignore names, which only code has."""
    contents = [strip_licence(text) for text in texts] if is_code else texts
    if kind == WORDS:
        return shingle_sets(contents, settings.shingle_words)
    if not is_code or settings.renamed_tokens is None:
        return [np.empty(0, np.uint64)] * len(texts)
    return renamed_shingle_sets(contents, settings.renamed_tokens)


def sketch_span(settings: Settings, span: Span) -> int:
    """Write a row `KEYED` for each band of each document to `keyed`, except for all but the first of exact copies.
    `inputs[1]` has the copies. Returns the number of rows."""
    copies = read_rows(span.inputs[1], COPY, *span.addresses(), settings.memory)
    others = frozenset(copies["address"][copies["address"] != copies["first"]].tolist())
    rows = [np.empty(0, KEYED)]
    for batch in _batches(span, others):
        records = [json.loads(line) for _, line in batch]
        addresses = np.array([place for place, _ in batch], np.uint64)
        ranks = np.array([rank(settings.seed, record["id"]) for record in records], np.uint64)
        for kind in KINDS:
            sets = shingles_of(kind, [record["text"] for record in records], span.source in CODE, settings)
            some = np.array([len(each) > 0 for each in sets])
            found = signatures([each for each in sets if len(each)], settings.bands * settings.rows, settings.seed)
            keys = band_keys(found, settings.bands)
            for band in range(settings.bands):
                keyed = np.empty(len(keys), KEYED)
                # Each band and kind has keys of its own, because all are in the same files.
                of_band = mixed(keys[:, band] + np.uint64(2 * band + kind))
                keyed["key"] = of_band & ~np.uint64(1) | np.uint64(kind)
                keyed["rank"], keyed["address"] = ranks[some], addresses[some]
                rows.append(keyed)
    merged = np.concatenate(rows)
    write_rows(span.outputs["keyed"], merged)
    return len(merged)


def _batches(span: Span, without: frozenset[int]) -> Iterator[list[tuple[int, bytes]]]:
    """(address, line) of a span's documents, in lists of `BATCH_BYTES`."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for offset, line in lines(span):
        if (place := address(span.shard, offset)) in without:
            continue
        batch.append((place, line))
        size += len(line)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
