"""What is kept of each document to find its duplicates: where it is, a digest, and the keys of its MinHash bands.

Computed by worker processes, each document for itself. The keys lie in one file a band, so that memory holds those of
one band at a time; of a document it holds an entry of 81 bytes.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lemur.core.parallel import map_in_order
from lemur.corpus.dedup.minhash import band_keys, shingles, signatures
from lemur.corpus.dedup.renaming import renamed_shingles, without_licence
from lemur.corpus.sources import CODE, SOURCES

BATCH_BYTES = 1 << 21  # of documents sketched at a time by one worker
BATCH_ENTRIES = 1 << 16  # copied at a time
ENTRY = np.dtype(
    [("id", "S40"), ("source", "u1"), ("place", "i8"), ("offset", "i8"), ("length", "i8"), ("digest", "V16")]
)


class Settings(NamedTuple):
    """See `dedup_corpus.Params`."""

    shingle_words: int
    renamed_tokens: int | None
    bands: int
    rows: int
    seed: int


class Line(NamedTuple):
    source: int  # number in SOURCES
    place: int  # among all documents of the folder
    offset: int  # bytes, in its source's file
    data: bytes


def shingle_sets(text: str, is_code: bool, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Shingles of words, and of code also those blind to names (empty for text)."""
    code = without_licence(text) if is_code else text
    blind = is_code and settings.renamed_tokens is not None
    renamed = renamed_shingles(code, settings.renamed_tokens or 1) if blind else np.empty(0, np.uint64)
    return shingles(code, settings.shingle_words), renamed


def digest(text: str) -> bytes:
    """Of the text without its case and white space."""
    return hashlib.blake2b(
        "".join(unicodedata.normalize("NFKC", text).casefold().split()).encode(), digest_size=16
    ).digest()


class Sketches:
    """Sketches of all documents of a folder, by rising id, so that nothing depends on the order of the files.

    `entries`: structured array `ENTRY` [documents]. `keys(kind, band)`: uint64 [documents]; kind 0 words, 1 renamed.
    """

    def __init__(self, folder: Path, settings: Settings, scratch: Path) -> None:
        self._scratch = scratch
        names = [scratch / f"{kind}-{band}" for kind in range(2) for band in range(settings.bands)]
        for name in (scratch / "unordered", *names):
            name.touch()
        for entries, keys in map_in_order(partial(_sketch, settings), _batches(folder)):
            for name, values in zip((scratch / "unordered", *names), (entries, *keys.T), strict=True):
                with name.open("ab") as file:
                    file.write(values.tobytes())
        unordered = np.fromfile(scratch / "unordered", ENTRY)
        # Identical records have one id; their places tell them apart.
        self._order = np.lexsort((unordered["place"], unordered["id"]))
        with (scratch / "entries").open("wb") as file:  # never two copies in memory
            for at in range(0, len(unordered), BATCH_ENTRIES):
                file.write(unordered[self._order[at : at + BATCH_ENTRIES]].tobytes())
        del unordered
        self.entries = np.fromfile(scratch / "entries", ENTRY)

    def keys(self, kind: int, band: int) -> np.ndarray:
        keys: np.ndarray = np.fromfile(self._scratch / f"{kind}-{band}", np.uint64)[self._order]
        return keys


def _batches(folder: Path) -> Iterator[list[Line]]:
    from tqdm import tqdm

    batch: list[Line] = []
    size = place = 0
    for number, source in enumerate(SOURCES):
        offset = 0
        with (folder / f"{source}.jsonl").open("rb") as lines:
            for data in tqdm(lines, desc=f"minhash {source}"):
                batch.append(Line(number, place, offset, data))
                size += len(data)
                offset += len(data)
                place += 1
                if size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
    if batch:
        yield batch


def _sketch(settings: Settings, lines: list[Line]) -> tuple[np.ndarray, np.ndarray]:
    """Entries, and keys uint64 [documents, 2 * bands]; documents without shingles of a kind have key 0 there."""
    entries = np.empty(len(lines), ENTRY)
    sets: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for index, line in enumerate(lines):
        source = SOURCES[line.source]
        try:
            record = json.loads(line.data)
        except ValueError as error:
            raise ValueError(
                f"{source}.jsonl, byte {line.offset}: not JSON ({error}); run clean_corpus again"
            ) from None
        text = record["text"]
        identifier = record["id"].encode()
        if len(identifier) > ENTRY["id"].itemsize:
            raise ValueError(
                f"{source}.jsonl, byte {line.offset}: id {record['id']!r}; {ENTRY['id'].itemsize} bytes fit"
            )
        entries[index] = (identifier, line.source, line.place, line.offset, len(text), digest(text))
        for kind, found in enumerate(shingle_sets(text, source in CODE, settings)):
            sets[kind].append(found)
    keys = []
    for kind_sets in sets:
        made = band_keys(signatures(kind_sets, settings.bands * settings.rows, settings.seed), settings.bands)
        made[[not len(shingle) for shingle in kind_sets]] = 0
        keys.append(made)
    return entries, np.concatenate(keys, axis=1)
