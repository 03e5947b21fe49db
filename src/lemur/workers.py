"""How many processes a stage may use. Never part of an artifact's identity: no count may change a byte."""

import os


def count() -> int:
    """`LEMUR_WORKERS` if set (the Snakefile sets it to the rule's threads), else the cores this process may use."""
    asked = os.environ.get("LEMUR_WORKERS", "")
    if not asked:
        return len(os.sched_getaffinity(0))
    if not asked.isdigit() or int(asked) < 1:
        raise SystemExit(f"LEMUR_WORKERS is {asked!r}; a whole number of at least 1 is allowed")
    return int(asked)
