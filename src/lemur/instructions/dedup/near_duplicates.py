"""Exact, greedy search for near-duplicates by cosine similarity, in blocks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol

import numpy as np

from lemur.instructions.dedup.unit_vectors import row_sums

DECIMALS = 6  # similarities are rounded to this many before the comparison with the threshold
# BLAS adds in an unspecified order: the sum of 768 float32 products of unit vectors errs by less than 768 * 2^-24 =
# 5e-5. Similarities above a bound minus this margin are computed again in a fixed order, so that verdicts are the same
# on every processor.
MARGIN = 1e-4


@dataclass
class Duplicates:
    """Verdicts by row number, in the order of the rows. `duplicate_of`: dropped row -> (kept row, similarity).

    `near`: (kept row, later row, similarity) of pairs whose similarity is within `near_margin` of the threshold."""

    duplicate_of: dict[int, tuple[int, float]] = field(default_factory=dict)
    near: list[tuple[int, int, float]] = field(default_factory=list)


class Vectors(Protocol):
    """Unit vectors [n, d], read one block of rows at a time: an array, or rows of a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, block: slice, /) -> np.ndarray: ...


class StoredVectors:
    """The given `rows`, in that order, of float32 .npy files [n, d], numbered through all files; read on access. Not
    through a memory map, whose touched pages would stay in memory until the search ends."""

    def __init__(self, files: Sequence[Path], rows: Sequence[int]) -> None:
        mapped = [np.load(path, mmap_mode="r") for path in files]
        for path, array in zip(files, mapped, strict=True):
            columns = mapped[0].shape[1:]
            if (
                array.dtype != np.dtype("<f4")
                or array.ndim != 2
                or array.shape[1:] != columns
                or not array.flags.c_contiguous
            ):
                raise ValueError(f"{path}: {array.dtype} {array.shape}; float32 [conversations, dimension] is expected")
        self.shape = (len(rows), mapped[0].shape[1] if mapped else 0)
        self._files, self._rows = files, np.asarray(rows, np.int64)
        self._offsets = [array.offset for array in mapped]
        self._firsts = np.cumsum([0, *map(len, mapped)])

    def __getitem__(self, block: slice, /) -> np.ndarray:
        rows = self._rows[block]
        vectors = np.empty((len(rows), self.shape[1]), "<f4")
        files = np.searchsorted(self._firsts, rows, side="right") - 1
        for number in sorted(set(files.tolist())):
            with self._files[number].open("rb", buffering=0) as file:
                for index in np.flatnonzero(files == number).tolist():
                    row = int(rows[index] - self._firsts[number])
                    file.seek(self._offsets[number] + row * vectors.itemsize * self.shape[1])
                    file.readinto(vectors[index])
        return vectors


def similarity(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine similarity of corresponding rows of unit vectors [n, d]: float64, summed in a fixed order, rounded."""
    return np.round(row_sums(left.astype(np.float64) * right.astype(np.float64)), DECIMALS)


def find_duplicates(
    vectors: Vectors,
    *,
    threshold: float,
    near_margin: float = 0.0,
    block: int = 1024,
    progress: Callable[[int], object] = lambda rows: None,
    scratch: Path | None = None,
) -> Duplicates:
    """Go through unit vectors [n, d] in order; drop a row whose similarity to an earlier kept row is above `threshold`.

    `block` affects memory (8 * block * (block + d) floats) and speed, never the result. A temporary file in the folder
    `scratch` holds the kept vectors.
    """
    result = Duplicates()
    total, size = vectors.shape
    # One buffer for all products: otherwise the previous products would still be in memory during the next product.
    buffer = np.empty(min(block, total) * min(8 * block, total), np.float32)
    lowest = threshold - near_margin - MARGIN
    with TemporaryFile(dir=scratch) as file:
        kept = _KeptRows(file, size, 8 * block, total)
        for start in range(0, total, block):
            rows = vectors[start : start + block]
            comparison = _BlockComparison(result, rows, start, threshold, near_margin)
            for kept_rows, kept_vectors in kept.parts():
                products = buffer[: len(rows) * len(kept_rows)].reshape(len(rows), len(kept_rows))
                np.matmul(rows, kept_vectors.T, out=products)
                # One cheap pass over the matrix: almost every row is below the bound.
                for row in np.flatnonzero(products.max(axis=1) >= lowest).tolist():
                    columns = np.flatnonzero(products[row] >= lowest)
                    comparison.compare(row, kept_vectors[columns], kept_rows[columns])
            products_in_block = rows @ rows.T
            kept_in_block = np.zeros(len(rows), bool)
            for row in range(len(rows)):
                columns = np.flatnonzero((products_in_block[row] >= lowest) & kept_in_block)
                if len(columns):
                    comparison.compare(row, rows[columns], start + columns)
                kept_in_block[row] = start + row not in result.duplicate_of
            kept.add(start + np.flatnonzero(kept_in_block), rows[kept_in_block])
            progress(len(rows))
    return result


class _KeptRows:
    """The rows kept so far: their numbers in memory, their vectors in a file that is read one part at a time."""

    def __init__(self, file: BufferedRandom, size: int, part: int, total: int) -> None:
        self._file = file
        self._numbers = np.empty(total, np.int64)
        self._part = np.empty((min(part, total), size), "<f4")
        self._count = 0

    def add(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(vectors, "<f4").data)
        self._numbers[self._count : self._count + len(numbers)] = numbers
        self._count += len(numbers)

    def parts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield numbers [p] and vectors [p, d]; the next part overwrites the vectors."""
        self._file.seek(0)
        for first in range(0, self._count, len(self._part)):
            vectors = self._part[: self._count - first]
            self._file.readinto(vectors.data)
            yield self._numbers[first : first + len(vectors)], vectors


class _BlockComparison:
    """Compares the rows of one block with earlier kept rows and adds the verdicts to `result`."""

    def __init__(self, result: Duplicates, rows: np.ndarray, start: int, threshold: float, near_margin: float) -> None:
        self._result = result
        self._rows = rows
        self._start = start
        self._threshold = threshold
        self._near_margin = near_margin

    def compare(self, row: int, kept_vectors: np.ndarray, kept_rows: np.ndarray) -> None:
        number = self._start + row
        values = similarity(np.broadcast_to(self._rows[row], kept_vectors.shape), kept_vectors)
        for other, value in zip(kept_rows.tolist(), values.tolist(), strict=True):
            if round(abs(value - self._threshold), DECIMALS) <= self._near_margin and self._near_margin > 0:
                self._result.near.append((other, number, value))
            # Record the first row above the threshold, even if a later one is more similar.
            if value > self._threshold and number not in self._result.duplicate_of:
                self._result.duplicate_of[number] = (other, value)
