"""Sums and lengths of vectors, added in a fixed order so that the bits are the same on every processor."""

import numpy as np


def row_sums(values: np.ndarray) -> np.ndarray:
    """Sums over the last axis of float64 [n, d] -> [n], adding the elements in order.

    numpy's sum over a contiguous axis and BLAS may add in an order that depends on the processor.
    """
    return np.add.reduce(np.ascontiguousarray(values.T), axis=0)


def unit(vectors: np.ndarray) -> np.ndarray:
    """float32 [n, d] of length 1; a zero vector stays zero (cosine 0 to everything)."""
    wide = vectors.astype(np.float64)
    norms = np.sqrt(row_sums(wide * wide))
    norms[norms == 0] = 1
    return (wide / norms[:, None]).astype(np.float32)
