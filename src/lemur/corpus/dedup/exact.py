"""Exact duplicates: a digest of each document, then the documents with the same one."""

import hashlib
import json
import struct
import unicodedata

import numpy as np

from lemur.corpus.dedup.partitions import Partition, groups, read_rows, write_rows
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.dedup.spans import Span, address, lines

ID = "S64"
DIGEST = np.dtype([("high", "u8"), ("low", "u8"), ("length", "i8"), ("address", "u8"), ("id", ID)])
# `first`: the address of the first document, in the order of ids, that has this one's digest. It stands for all of
# them in the search for near-duplicates.
COPY = np.dtype([("address", "u8"), ("first", "u8"), ("length", "i8"), ("id", ID)])


def digest(text: str) -> bytes:
    """Digest of the text, ignoring case and white space."""
    return hashlib.blake2b(
        "".join(unicodedata.normalize("NFKC", text).casefold().split()).encode(), digest_size=16
    ).digest()


def digest_span(span: Span) -> int:
    """Write a row `DIGEST` for each document to `digests`; returns their number. Raises `ValueError` for a line that
    is not JSON or has too long an id."""
    rows = []
    for offset, line in lines(span):
        where = f"{span.inputs[0].name}, byte {offset}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{where}: not JSON ({error}); run clean_corpus again") from None
        identifier = record["id"].encode()
        if len(identifier) > (longest := np.dtype(ID).itemsize):
            raise ValueError(
                f"{where}: id {record['id']!r} is too long; at most {longest} bytes are allowed; run clean_corpus again"
            )
        text = record["text"]
        rows.append((*struct.unpack(">QQ", digest(text)), len(text), address(span.shard, offset), identifier))
    write_rows(span.outputs["digests"], np.array(rows, DIGEST))
    return len(rows)


def find_copies(settings: Settings, part: Partition) -> None:
    """Write a row `COPY` to `copies` for each document whose digest another one has too, the first one included."""
    rows = read_rows(part.inputs[0], DIGEST, part.low, part.high, settings.memory)
    rows = rows[np.argsort(rows["high"], kind="stable")]
    runs = groups(rows["high"])
    rows = rows[np.repeat(np.diff(runs) > 1, np.diff(runs))]
    # Identical records have the same id; their addresses tell them apart.
    rows = rows[np.lexsort((rows["address"], rows["id"], rows["low"], rows["high"]))]
    runs = groups(rows["high"], rows["low"])
    sizes = np.diff(runs)
    copies = np.empty(len(rows), COPY)
    for name in ("address", "length", "id"):
        copies[name] = rows[name]
    copies["first"] = np.repeat(rows["address"][runs[:-1]], sizes)
    write_rows(part.outputs["copies"], copies[np.repeat(sizes > 1, sizes)])
