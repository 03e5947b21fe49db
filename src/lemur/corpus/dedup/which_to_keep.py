"""Which document of a cluster of duplicates is kept."""

from collections.abc import Iterable

import numpy as np


def keeper(members: Iterable[int], lengths: np.ndarray) -> int:
    """The longest document, or among equally long ones the first in the order of ids.

    `members`: numbers of documents in that order. `lengths`: characters of every document.
    """
    return min(members, key=lambda member: (-int(lengths[member]), member))
