from collections.abc import Iterator
from typing import Any

from lemur.core.parallel import Pool


def map_in_order(*arguments: Any, **options: Any) -> Iterator[Any]:
    """`Pool.map` with processes of its own."""
    with Pool() as pool:
        yield from pool.map(*arguments, **options)
