"""Files of rows sorted by their first field, and ranges of them: how the jobs of one phase hand rows to the next.

Each job of a phase writes one file to the phase's folder; a job of the next phase reads one range of values from all
files there. So the number of ranges need not be known when the files are written, and follows from the rows alone.
"""

import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lemur.core.shards import Job

VALUES = 1 << 64  # of a row's first field
TARGET = 2  # a partition has half of the memory on average, because no two are equal
FEWEST = 16  # partitions to share among workers, if there are rows enough


@dataclass(frozen=True)
class Partition(Job):
    """The work on the rows of `inputs` whose first field is in [`low`, `high`)."""

    low: int = 0
    high: int = VALUES


def partitions(
    rows: int,
    row_bytes: int,
    memory: int,
    enough: int,
    inputs: Sequence[Path],
    outputs: Mapping[str, Path],
    prefix: str = "",
) -> list[Partition]:
    """Jobs that divide `rows` rows of `row_bytes` with a hash as first field: as many as `memory` bytes need, or up to
    `FEWEST` with `enough` rows each. A job writes a file in each role's folder `outputs[role]`."""
    count = max(1, -(-TARGET * rows * row_bytes // memory), min(FEWEST, rows // enough))
    jobs = []
    for number in range(count):
        low, high = (VALUES * border // count for border in (number, number + 1))
        name = f"{prefix}{number:06d}"
        files = {role: folder / name for role, folder in outputs.items()}
        jobs.append(Partition(name, tuple(inputs), files, low, high))
    return jobs


def write_rows(path: Path, rows: np.ndarray) -> None:
    """Write a structured array sorted by its first field, which is "u8"."""
    first, *_ = rows.dtype.names or ()
    rows[np.argsort(rows[first], kind="stable")].tofile(path)


def read_rows(
    folder: Path, dtype: np.dtype, low: int, high: int, memory: int, row_bytes: int | None = None
) -> np.ndarray:
    """The rows of all files in `folder` whose first field is in [`low`, `high`), file by file.

    Raises `ValueError` if they take more than `memory` bytes, at `row_bytes` each with what is made of them.
    """
    found = []
    for name in sorted(os.listdir(folder)):
        with (folder / name).open("rb", buffering=0) as file:
            values = _FirstFields(file.fileno(), dtype.itemsize)
            start, end = bisect_left(values, low), bisect_left(values, high)
            if end > start:
                found.append((name, start, end - start))
    total = sum(count for _, _, count in found)
    if (size := total * (row_bytes or dtype.itemsize)) > memory:
        raise ValueError(
            f"dedup_corpus: {total} rows of {folder.name} are in one partition (copies of one text, or documents that "
            f"share passages) and take {size / 1e6:.3g} MB; params.yaml: dedup_corpus.memory_mb allows "
            f"{memory / 1e6:.3g}. Set it to {1.5 * size / 1e6:.3g} or more"
        )
    rows = np.empty(total, dtype)
    at = 0
    for name, start, count in found:
        rows[at : at + count] = np.fromfile(folder / name, dtype, count, offset=start * dtype.itemsize)
        at += count
    return rows


class _FirstFields(Sequence[int]):
    """The first field of each row of a file, for a binary search that reads no more than it compares."""

    def __init__(self, descriptor: int, row_bytes: int) -> None:
        self._descriptor = descriptor
        self._row_bytes = row_bytes

    def __len__(self) -> int:
        return os.fstat(self._descriptor).st_size // self._row_bytes

    def __getitem__(self, index: Any) -> Any:
        return int.from_bytes(os.pread(self._descriptor, 8, index * self._row_bytes), "little")


def groups(*columns: np.ndarray) -> np.ndarray:
    """Where each run of equal rows of sorted columns starts, and their length at the end: int64 [runs + 1]."""
    length = len(columns[0])
    new = np.zeros(length, bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.append(np.flatnonzero(new), length)
