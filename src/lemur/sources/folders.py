"""The places that are folders: `bundled` (inside the source's own folder) and `mirror` (the folder LEMUR_MIRROR)."""

import os
from pathlib import Path

from lemur.sources.manifest import File, SourceError
from lemur.sources.patterns import is_pattern, literal_folder, matches

MIRROR = "LEMUR_MIRROR"


def mirror_root() -> Path:
    """The mirror's folder. Raises `SourceError` if LEMUR_MIRROR is unset or not a folder."""
    value = os.environ.get(MIRROR, "")
    choices = "or choose another place for this source (`fetch` in params.yaml; `lemur scale demo` needs no mirror)"
    if not value:
        raise SourceError(f"place mirror reads the original files from a folder: set {MIRROR} to its path, {choices}")
    if not Path(value).is_dir():
        raise SourceError(f"{MIRROR}={value} is not a folder: set it to the mirror's path, {choices}")
    return Path(value)


def resolve(root: Path, file: File) -> list[tuple[str, Path, dict[str, str]]]:
    """(name, path, fields of the pattern) of each file of an entry. Raises `SourceError` if there are none."""
    if is_pattern(file.path):
        folder = root / literal_folder(file.path)
        names = (path.relative_to(root).as_posix() for path in folder.rglob("*") if path.is_file())
        files = [(name, root / name, fields) for name, fields in matches(file.path, names)]
        if not files:
            raise SourceError(f"no file matches {file.path} in {root}; is the folder complete?")
        return files
    path = root / file.path
    if not path.is_file():
        raise SourceError(f"{path} is missing (or not a plain file); is {root} complete?")
    return [(file.path, path, {})]
