"""Finds the bytes behind the hashes in dvc.lock, in caches or checkouts."""

import json
from pathlib import Path

from dvc.repo import Repo

from lemur.core.disk import file_md5
from lemur.pipeline.artifacts.integrity import digest


class Contents:
    """Looks files up by hash in the caches and folders of some checkouts. Returns only bytes that have that hash."""

    def __init__(self, *checkouts: Path) -> None:
        self._folders = checkouts
        self._caches = [Repo(str(folder)).cache.local for folder in checkouts]

    def file(self, md5: str, path: str) -> Path | None:
        """A file with this hash; `path` is its path in a checkout."""
        candidates = [Path(cache.oid_to_path(md5)) for cache in self._caches]
        candidates += [folder / path for folder in self._folders if not md5.endswith(".dir")]
        return next(
            (file for file in candidates if file.is_file() and file_md5(file) == md5.removesuffix(".dir")), None
        )

    def listing(self, md5: str) -> dict[str, str] | None:
        """The files of an output folder: hash by relative path."""
        file = self.file(md5, "")
        return {row["relpath"]: row["md5"] for row in json.loads(file.read_bytes())} if file else None

    def holds(self, md5: str, path: str) -> bool:
        """Whether every file of an output is available."""
        files = self.listing(md5) if md5.endswith(".dir") else {"": md5}
        return files is not None and all(self.file(oid, str(Path(path) / name)) for name, oid in files.items())

    def altered(self, md5: str, path: str) -> bool:
        """Whether a checkout has other content at an output's path, whatever the caches hold."""
        copies = [folder / path for folder in self._folders]
        return any(copy.exists() and digest(copy) != md5 for copy in copies)

    def view(self, md5: str, path: str, to: Path) -> bool:
        """Link an output's file, or the available files of its folder, at or below `to`; False if there are none."""
        files = self.listing(md5) if md5.endswith(".dir") else {"": md5}
        for name, oid in (files or {}).items():
            if file := self.file(oid, str(Path(path) / name)):
                link = to / name if name else to
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.resolve())
        return to.exists()
