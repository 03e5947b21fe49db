"""Long answers on standard output."""

import os
import sys


def print_long(text: str) -> None:
    """Print an answer of which a pipe may read only a part, as in `lemur lineage ... | head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
