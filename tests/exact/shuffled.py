"""Installed as src/sitecustomize.py of a checkout: lists directories in another order in every process of a stage."""

import os
import random
from typing import Any

_listdir, _scandir = os.listdir, os.scandir


def _shuffled(entries: Any) -> list[Any]:
    entries = sorted(entries, key=str)
    random.Random(len(entries)).shuffle(entries)
    return entries


class _Listing:
    def __init__(self, path: Any) -> None:
        with _scandir(path) as entries:
            self._entries = iter(_shuffled(entries))

    def __iter__(self) -> Any:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> "_Listing":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pass


os.listdir = lambda path=".": _shuffled(_listdir(path))  # type: ignore[assignment]
os.scandir = lambda path=".": _Listing(path)  # type: ignore[assignment]
