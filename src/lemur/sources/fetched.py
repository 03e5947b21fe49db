"""The output of the stage `fetch` as readers see it: files with their schema, licence and metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemur.core.records import read_json

COMPANION = "companion"  # schema of files that accompany others: gold labels, few-shot prompts, licence texts


@dataclass(frozen=True)
class BadRecord:
    """A record that a reader could not use; the stage counts it and writes it to its rejects."""

    where: str  # "name:line" or "name:index" in the fetched file
    reason: str  # a short fixed word: not_json, missing_field, wrong_type, not_utf8, bad_text, ...
    detail: str  # the offending value or message


class DamagedFile(ValueError):
    """A file in which the next record cannot be found. The message names the file, the place and the remedy."""


@dataclass(frozen=True)
class FetchedFile:
    """One file of a source. `name` is its path under `root`, the same on every machine.

    A file with a `url` was only listed (`stream` in the manifest) and is not on disk: `streamed.on_disk` downloads it.
    """

    root: Path
    name: str
    schema: str
    licence: str
    meta: Mapping[str, Any]
    sha256: str = ""
    bytes: int = 0
    url: str = ""

    @property
    def path(self) -> Path:
        return self.root / self.name

    def companion(self, key: str) -> Path | None:
        """The companion file that `meta[key]` names (for example gold language labels); None without that key."""
        return self.root / self.meta[key] if key in self.meta else None


@dataclass(frozen=True)
class Fetched:
    """A fetched source. Place `none` means that it was left out and has no files.

    `files` are the files for readers, sorted by name; `FetchedFile.companion` gives their companions.
    """

    name: str
    title: str
    place: str
    revision: str
    licence: str
    files: tuple[FetchedFile, ...]


def load(folder: Path, *, streamed: bool = False) -> Fetched:
    """Read a folder that `fetch` wrote; `streamed` allows files that are only listed.

    Raises `FileNotFoundError` or `ValueError`, whose messages say how to repair the folder.
    """
    index = folder / "source.json"
    if not index.is_file():
        raise FileNotFoundError(f"{index} is missing, so {folder} is not a fetched source; run: dvc repro fetch")
    try:
        source = read_json(index)
        root = folder / "files"
        files = tuple(
            FetchedFile(
                root=root,
                name=file["path"],
                url=file.get("url", ""),
                **{key: file[key] for key in ("schema", "licence", "meta", "sha256", "bytes")},
            )
            for file in source["files"]
        )
        head = {key: source[key] for key in ("name", "title", "place", "revision", "licence")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{index} is damaged ({error!r}); remove {folder} and run: dvc repro fetch") from None
    for file in files:
        if file.url and not streamed:
            raise ValueError(
                f"{index}: {file.name} is only listed, not downloaded, and only the corpus stages can read it: remove "
                f"`stream` from the manifest of {head['name']} and run: dvc repro fetch"
            )
        if not file.url and not file.path.is_file():
            raise FileNotFoundError(f"{file.path}, named by {index}, is missing; run: dvc checkout {folder}")
    return Fetched(files=tuple(file for file in files if file.schema != COMPANION), **head)
