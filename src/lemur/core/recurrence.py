"""How far back each token of a sequence last occurred: what stays the same when names are changed consistently."""

import numpy as np


def since_last(tokens: np.ndarray) -> np.ndarray:
    """For each of `tokens` (integers [n]), how many tokens ago it last occurred, 0 if never (uint64 [n])."""
    order = np.argsort(tokens, kind="stable")
    repeated = tokens[order[1:]] == tokens[order[:-1]]
    ago = np.zeros(len(tokens), np.uint64)
    ago[order[1:][repeated]] = np.diff(order)[repeated]
    return ago
