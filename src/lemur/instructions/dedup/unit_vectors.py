"""Sums and lengths of vectors in a fixed order, so that no processor decides a bit."""

import numpy as np


def row_sums(values: np.ndarray) -> np.ndarray:
    """Sums over the last axis of float64 [n, d] -> [n], element by element in the order of d.

    numpy's own sum over a contiguous axis, and BLAS, may add in an order that depends on the processor.
    """
    return np.add.reduce(np.ascontiguousarray(values.T), axis=0)


def unit(vectors: np.ndarray) -> np.ndarray:
    """float32 [n, d] of length 1; a zero vector stays zero (cosine 0 to everything)."""
    wide = vectors.astype(np.float64)
    norms = np.sqrt(row_sums(wide * wide))
    norms[norms == 0] = 1
    return (wide / norms[:, None]).astype(np.float32)
