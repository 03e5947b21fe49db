"""Versions of installed distributions. Imports nothing of lemur: stages name their libraries' versions by it."""

from importlib.metadata import PackageNotFoundError, version


def installed(name: str) -> str | None:
    """None where the distribution is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
