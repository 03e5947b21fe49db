"""How far back each token of a sequence last occurred: what stays the same when names are changed consistently."""

import numpy as np

_BITS = np.uint64(32)


def since_last(tokens: np.ndarray) -> np.ndarray:
    """For each of `tokens` (integers [n] below 2^32, n below 2^32), how many tokens ago it last occurred, 0 if never
    (uint64 [n])."""
    # Token and place in one number: a third of the time of a stable argsort.
    ordered = np.sort(tokens.astype(np.uint64) << _BITS | np.arange(len(tokens), dtype=np.uint64))
    order = ordered & np.uint64(0xFFFFFFFF)
    repeated = ordered[1:] >> _BITS == ordered[:-1] >> _BITS
    ago = np.zeros(len(tokens), np.uint64)
    ago[order[1:][repeated]] = np.diff(order)[repeated]
    return ago
