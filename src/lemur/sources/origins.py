"""Find or download the files that a place's entries stand for, before any of them is copied."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from lemur.sources import folders, package
from lemur.sources.fetched import COMPANION
from lemur.sources.manifest import File, FilesEntry, Manifest, Place, SourceError
from lemur.sources.patterns import is_pattern


@dataclass(frozen=True)
class SourceFile:
    """A file that an entry stands for: its name below `files/`, how to open it, its meta with the pattern's fields.

    `where` names its location in messages. `sha256` and `bytes` are set only if the file is merely listed; `where` is
    then its URL.
    """

    name: str
    open: Callable[[], BinaryIO]
    where: str
    meta: dict[str, Any]
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Group:
    """The files of one manifest entry. `sha256` pins the file, or for a pattern the set of files."""

    entry: FilesEntry
    key: str
    sha256: str | None
    is_set: bool
    pinned_by_archive: bool
    files: list[SourceFile]


def collect(source: Path, manifest: Manifest, place_name: str, work: Path) -> Iterator[Group]:
    """Yield the groups of a place in manifest order; `work` is an empty folder for downloads. Raises `SourceError`."""
    place = manifest.place(place_name)
    for index, file in enumerate(place.files):
        origin = file.origin or place_name
        if origin == "hub":
            from lemur.sources import hub

            if place.stream:
                remote = _listed_files(place, file)
                yield Group(file, f"files[{index}]", file.sha256, is_pattern(file.path), False, remote)
                continue
            resolved = hub.resolve(place, file)
            where = hub.root_url(place)
        else:
            root = source / "bundled" if origin == "bundled" else folders.mirror_root()
            resolved = folders.resolve(root, file)
            where = str(root)
        files = [
            SourceFile(name, partial(_open_file, path), f"{where}/{name}", {**fields, **file.meta})
            for name, path, fields in resolved
        ]
        yield Group(file, f"files[{index}]", file.sha256, is_pattern(file.path), False, files)

    if not place.archives and not place.generator:
        return
    downloads = work / "downloads"
    downloads.mkdir()
    wheels = package.download(source / "requirements.txt", downloads)
    for index, archive in enumerate(place.archives):
        wheel = package.wheel_of(wheels, archive.requirement)
        files = [
            SourceFile(name, partial(_open_member, wheel, name), f"{wheel.name}:{name}", {**fields, **archive.meta})
            for name, fields in package.members(wheel, archive)
        ]
        yield Group(archive, f"archives[{index}]", None, True, True, files)
    companion = FilesEntry(schema=COMPANION)
    for wheel in sorted({package.wheel_of(wheels, archive.requirement) for archive in place.archives}):
        licences = [
            SourceFile(name, partial(_open_member, wheel, name), f"{wheel.name}:{name}", {})
            for name in package.licence_texts(wheel)
        ]
        yield Group(companion, f"licences of {wheel.name}", None, True, True, licences)
    if place.generator:
        from lemur.sources.generator import generate

        generator = place.generator
        generated = generate(generator, wheels, work)
        files = [SourceFile(name, partial(_open_file, path), name, generator.meta) for name, path in generated.items()]
        yield Group(generator, "generator", generator.sha256, True, False, files)


def require_pinned(manifest: Manifest, place_name: str) -> None:
    """Raise `SourceError`, before any download, if a checksum or the revision is still null."""
    place = manifest.place(place_name)
    null_keys = [f"files[{index}].sha256" for index, file in enumerate(place.files) if file.sha256 is None]
    if place.revision is None:
        null_keys.insert(0, "revision")
    if place.generator and place.generator.sha256 is None:
        null_keys.append("generator.sha256")
    if null_keys:
        more = " and more" if len(null_keys) > 4 else ""
        raise SourceError(
            f"place {place_name} of source {manifest.name} is not pinned yet: its manifest has null for "
            f"{', '.join(null_keys[:4])}{more}. "
            f"`lemur pin {manifest.name} {place_name}` downloads it once and writes revision and checksums; review "
            "the change and commit it"
        )


def _listed_files(place: Place, file: File) -> list[SourceFile]:
    import fsspec

    from lemur.sources import hub

    return [
        SourceFile(
            listed.name,
            cast(Callable[[], BinaryIO], partial(fsspec.open, listed.url, "rb")),
            listed.url,
            {**listed.fields, **file.meta},
            listed.sha256,
            listed.bytes,
        )
        for listed in hub.listing(place, file)
    ]


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}; fix that and run again") from error


def _open_member(wheel: Path, name: str) -> BinaryIO:
    # ZipExtFile keeps the archive open until the member's stream is closed.
    return cast(BinaryIO, zipfile.ZipFile(wheel).open(name))
