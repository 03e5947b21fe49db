"""Sketches of documents, used to find duplicates: where a document is, a digest, and the keys of its MinHash bands.

Worker processes compute them, each document independently. Each band's keys are in a file of their own, so memory holds
one band's keys at a time, and an entry of 84 bytes per document.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lemur.core.parallel import Pool
from lemur.corpus.dedup.minhash import band_keys, shingles, signatures
from lemur.corpus.dedup.renaming import renamed_shingles, strip_licence
from lemur.corpus.documents import all_shards
from lemur.corpus.sources import CODE

BATCH_BYTES = 1 << 21  # of documents in a worker's batch
BATCH_ENTRIES = 1 << 16  # entries copied at a time
ENTRY = np.dtype(
    [("id", "S40"), ("shard", "u4"), ("place", "i8"), ("offset", "i8"), ("length", "i8"), ("digest", "V16")]
)


class Settings(NamedTuple):
    """See `dedup_corpus.Params`."""

    shingle_words: int
    renamed_tokens: int | None
    bands: int
    rows: int
    seed: int


class Line(NamedTuple):
    shard: int  # number in `all_shards`
    name: str  # of the shard's file
    place: int  # among all documents of the folder
    offset: int  # bytes, in its shard
    data: bytes


def shingle_sets(text: str, is_code: bool, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Shingles of words, and for code also those that ignore names (empty for text)."""
    content = strip_licence(text) if is_code else text
    ignore_names = is_code and settings.renamed_tokens is not None
    renamed = renamed_shingles(content, settings.renamed_tokens or 1) if ignore_names else np.empty(0, np.uint64)
    return shingles(content, settings.shingle_words), renamed


def digest(text: str) -> bytes:
    """Digest of the text, ignoring case and white space."""
    return hashlib.blake2b(
        "".join(unicodedata.normalize("NFKC", text).casefold().split()).encode(), digest_size=16
    ).digest()


class Sketches:
    """Sketches of all documents of a folder, sorted by id, so that nothing depends on the order of the files.

    `entries`: structured array `ENTRY` [documents]. `keys(kind, band)`: uint64 [documents]; kind 0 words, 1 renamed.
    """

    def __init__(self, folder: Path, settings: Settings, scratch: Path, pool: Pool) -> None:
        self._scratch = scratch
        names = [scratch / f"{kind}-{band}" for kind in range(2) for band in range(settings.bands)]
        for name in (scratch / "unordered", *names):
            name.touch()
        for entries, keys in pool.map(partial(_sketch, settings), _batches(folder)):
            for name, values in zip((scratch / "unordered", *names), (entries, *keys.T), strict=True):
                with name.open("ab") as file:
                    file.write(values.tobytes())
        unordered = np.fromfile(scratch / "unordered", ENTRY)
        # Identical records have the same id; their places tell them apart.
        self._order = np.lexsort((unordered["place"], unordered["id"]))
        with (scratch / "entries").open("wb") as file:  # never two copies in memory
            for start in range(0, len(unordered), BATCH_ENTRIES):
                file.write(unordered[self._order[start : start + BATCH_ENTRIES]].tobytes())
        del unordered
        self.entries = np.fromfile(scratch / "entries", ENTRY)

    def keys(self, kind: int, band: int) -> np.ndarray:
        keys: np.ndarray = np.fromfile(self._scratch / f"{kind}-{band}", np.uint64)[self._order]
        return keys


def _batches(folder: Path) -> Iterator[list[Line]]:
    from tqdm import tqdm

    batch: list[Line] = []
    size = place = 0
    for number, (_, path) in enumerate(tqdm(all_shards(folder), desc="minhash", unit="shard")):
        offset = 0
        with path.open("rb") as lines:
            for data in lines:
                batch.append(Line(number, path.name, place, offset, data))
                size += len(data)
                offset += len(data)
                place += 1
                if size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
    if batch:
        yield batch


def _sketch(settings: Settings, lines: list[Line]) -> tuple[np.ndarray, np.ndarray]:
    """Entries, and keys uint64 [documents, 2 * bands]; a document without shingles of a kind has key 0 there."""
    entries = np.empty(len(lines), ENTRY)
    sets: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for index, line in enumerate(lines):
        try:
            record = json.loads(line.data)
        except ValueError as error:
            raise ValueError(f"{line.name}, byte {line.offset}: not JSON ({error}); run clean_corpus again") from None
        text = record["text"]
        identifier = record["id"].encode()
        if len(identifier) > ENTRY["id"].itemsize:
            raise ValueError(
                f"{line.name}, byte {line.offset}: id {record['id']!r} is too long; at most {ENTRY['id'].itemsize} "
                "bytes are allowed; run clean_corpus again"
            )
        entries[index] = (identifier, line.shard, line.place, line.offset, len(text), digest(text))
        for kind, shingle_set in enumerate(shingle_sets(text, record["source"] in CODE, settings)):
            sets[kind].append(shingle_set)
    keys = []
    for kind_sets in sets:
        kind_keys = band_keys(signatures(kind_sets, settings.bands * settings.rows, settings.seed), settings.bands)
        kind_keys[[not len(shingle_set) for shingle_set in kind_sets]] = 0
        keys.append(kind_keys)
    return entries, np.concatenate(keys, axis=1)
