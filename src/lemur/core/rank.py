"""Choices by a hash of the content, so that neither order nor the number of workers changes them."""

import hashlib


def rank(seed: int, identifier: str) -> int:
    """A pseudorandom number in [0, 2^64) for `identifier`."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{identifier}".encode()).digest()[:8], "big")
