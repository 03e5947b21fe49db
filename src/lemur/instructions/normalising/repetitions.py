"""Finds the records of a source that repeat an earlier one, in bounded memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lemur.instructions.normalising.converting import KEYS

ROWS = 1 << 20  # keys compared at once: some 30 MB
DUPLICATE_ID, DUPLICATE = 1, 2
REASONS = {DUPLICATE_ID: "duplicate_id", DUPLICATE: "duplicate"}


def repetitions(keys: Sequence[Path]) -> np.ndarray:
    """For each record, in the order of the files of `KEYS`, 0 or why it is dropped (uint8 [records]).

    The first record with an origin stays, and of those that are left the first with an id.
    """
    records = sum(path.stat().st_size for path in keys) // KEYS.itemsize
    marks = np.zeros(records, np.uint8)
    parts = records // ROWS + 1
    for name, mark in (("origin", DUPLICATE_ID), ("id", DUPLICATE)):
        for part in range(parts):  # equal values are in the same part
            values, places = [], []
            for first, rows in _blocks(keys):
                compared = rows["kept"] & (marks[first : first + len(rows)] == 0) & (rows[name] % parts == part)
                if name == "origin":
                    compared &= rows["has_origin"]
                values.append(rows[name][compared])
                places.append(first + np.flatnonzero(compared))
            if places:
                all_places = np.concatenate(places)
                _, first_of_each = np.unique(np.concatenate(values), return_index=True)
                marks[np.delete(all_places, first_of_each)] = mark
    return marks


def _blocks(keys: Sequence[Path]) -> Iterator[tuple[int, np.ndarray]]:
    first = 0
    for path in keys:
        with path.open("rb") as file:
            while len(rows := np.fromfile(file, KEYS, ROWS)):
                yield first, rows
                first += len(rows)
