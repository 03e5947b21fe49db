"""Which document of a cluster of duplicates is kept."""

import numpy as np


def kept_first(rows: np.ndarray) -> np.ndarray:
    """Rows with the fields `cluster`, `length` (characters), `id` and `address`, cluster by cluster.

    The first of a cluster is the one to keep: the longest document, or among equally long ones the first in the order
    of ids. Records with the same id are identical; of them, the first in the order of places.
    """
    return rows[np.lexsort((rows["address"], rows["id"], -rows["length"], rows["cluster"]))]
