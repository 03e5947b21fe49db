"""The bytes behind the hashes of dvc.lock, wherever a checkout still has them."""

import json
from pathlib import Path

from dvc.repo import Repo

from lemur.pipeline.artifacts.integrity import digest, file_md5


class Contents:
    """Files by hash, out of the caches of some checkouts or out of their folders; only if the bytes have that hash."""

    def __init__(self, *checkouts: Path) -> None:
        self._folders = checkouts
        self._caches = [Repo(str(folder)).cache.local for folder in checkouts]

    def file(self, md5: str, path: str) -> Path | None:
        """A file with this hash; `path` is where it lies in a checkout."""
        places = [Path(cache.oid_to_path(md5)) for cache in self._caches]
        places += [folder / path for folder in self._folders if not md5.endswith(".dir")]
        return next(
            (place for place in places if place.is_file() and file_md5(place) == md5.removesuffix(".dir")), None
        )

    def listing(self, md5: str) -> dict[str, str] | None:
        """The files of an output folder: hash by relative path."""
        place = self.file(md5, "")
        return {row["relpath"]: row["md5"] for row in json.loads(place.read_bytes())} if place else None

    def holds(self, md5: str, path: str) -> bool:
        """Whether an output is here with all its files."""
        files = self.listing(md5) if md5.endswith(".dir") else {"": md5}
        return files is not None and all(self.file(oid, str(Path(path) / name)) for name, oid in files.items())

    def altered(self, md5: str, path: str) -> bool:
        """Whether a checkout has something else in an output's place, whatever the caches have."""
        places = [folder / path for folder in self._folders]
        return any(place.exists() and digest(place) != md5 for place in places)

    def view(self, md5: str, path: str, to: Path) -> bool:
        """Link an output's file, or what is at hand of its folder, at or below `to`; False if that is nothing."""
        files = self.listing(md5) if md5.endswith(".dir") else {"": md5}
        for name, oid in (files or {}).items():
            if place := self.file(oid, str(Path(path) / name)):
                link = to / name if name else to
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(place.resolve())
        return to.exists()
