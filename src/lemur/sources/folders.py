"""The places that are folders: `bundled` (inside the source's own folder) and `mirror` (the folder LEMUR_MIRROR)."""

import os
from collections.abc import Iterator
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


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, through linked folders too: large mirrors are spread over disks. A link back to a
    folder that leads to it is not followed."""
    for path, names, files in os.walk(folder, followlinks=True):
        here = Path(path)
        above = [parent.resolve() for parent in (here, *here.parents) if parent == folder or folder in parent.parents]
        names[:] = [name for name in names if not ((here / name).is_symlink() and _leads_to(here / name, above))]
        yield from (here / name for name in files if (here / name).is_file())


def _leads_to(link: Path, folders: list[Path]) -> bool:
    """Whether one of these folders is, or lies in, the one that a link names."""
    target = link.resolve()
    return any(target == folder or target in folder.parents for folder in folders)


def resolve(root: Path, file: File) -> list[tuple[str, Path, dict[str, str]]]:
    """(name, path, fields of the pattern) of each file of an entry. Raises `SourceError` if there are none."""
    if is_pattern(file.path):
        folder = root / literal_folder(file.path)
        names = (path.relative_to(root).as_posix() for path in _files(folder))
        files = [(name, root / name, fields) for name, fields in matches(file.path, names)]
        if not files:
            raise SourceError(f"no file matches {file.path} in {root}; is the folder complete?")
        return files
    path = root / file.path
    if not path.is_file():
        raise SourceError(f"{path} is missing (or not a plain file); is {root} complete?")
    return [(file.path, path, {})]
