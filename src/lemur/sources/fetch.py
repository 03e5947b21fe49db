"""Stage `fetch`: get a source's files from the chosen place and verify every byte against its manifest."""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import write_json

if TYPE_CHECKING:
    from lemur.sources.manifest import Manifest
    from lemur.sources.origins import Group

log = logging.getLogger(__name__)


class Params(StageParams):
    place: Literal["hub", "mirror", "package", "bundled", "none"] = Field(
        description="where the files come from (docs/sources.md); none leaves the source out"
    )


def fetch(params: Params, source: Path, *, files: Path) -> None:
    """Write `files/files/<path>` and `files/source.json` for the source folder `source` (data/sources/<name>).

    For a place that streams, write only source.json, the list of its files; `clean_corpus` downloads and verifies them
    one by one. Raises `SystemExit`, without output, if a file is missing, cut short or differs from the pinned one, if
    the source does not offer the place, if the place cannot be reached, or if the disk is full.
    """
    from lemur.sources.manifest import SourceError, read

    try:
        manifest = read(source)
        if params.place == "none":
            head: dict[str, Any] = {"revision": "", "licence": "", "files": []}
            files.mkdir()
        else:
            place = manifest.place(params.place)
            head = {"revision": place.revision, "licence": place.licence}
            head["files"] = _fetch(manifest, source, params.place, files)
    except SourceError as error:
        raise SystemExit(f"fetch {source.name}: {error}") from None
    write_json(files / "source.json", {"name": manifest.name, "title": manifest.title, "place": params.place, **head})
    size = sum(file["bytes"] for file in head["files"])
    log.info("fetch %s: %d files, %d bytes from place %s", source.name, len(head["files"]), size, params.place)


def _fetch(manifest: "Manifest", source: Path, place_name: str, out: Path) -> list[dict[str, Any]]:
    from tqdm import tqdm

    from lemur.sources.origins import collect, require_pinned

    require_pinned(manifest, place_name)
    out.mkdir()
    rows: list[dict[str, Any]] = []
    names: set[str] = set()
    with tempfile.TemporaryDirectory(dir=out, prefix=".work-") as work:
        groups = list(collect(source, manifest, place_name, Path(work)))
        with tqdm(total=sum(len(group.files) for group in groups), unit="file", desc=source.name) as bar:
            for group in groups:
                rows += _copy(group, manifest, place_name, out / "files", names, bar.update)
    return sorted(rows, key=lambda row: row["path"])


def _copy(
    group: "Group", manifest: "Manifest", place_name: str, root: Path, names: set[str], progress: Any
) -> list[dict[str, Any]]:
    """Copy an entry's files, unless they are only listed, verify the checksum, and return their rows of source.json."""
    from lemur.sources.checksums import copy, of_set
    from lemur.sources.manifest import SourceError

    rows: list[dict[str, Any]] = []
    for file in group.files:
        if file.name in names:
            raise SourceError(f"{file.name} is named twice in place {place_name} of the manifest ({group.key})")
        names.add(file.name)
        if file.sha256:
            sha256, size, listed = file.sha256, file.bytes, {"url": file.where}
        else:
            with file.open() as stream:
                sha256, size = copy(stream, root / file.name)
            listed = {}
        rows.append({
            "path": file.name,
            "schema": group.entry.schema_ or manifest.schema_,
            "licence": group.entry.licence or manifest.place(place_name).licence,
            "sha256": sha256,
            "bytes": size,
            "meta": file.meta,
            **listed,
        })  # fmt: skip
        progress(1)
    actual = of_set((row["path"], row["sha256"]) for row in rows) if group.is_set else rows[0]["sha256"]
    if not group.pinned_by_archive and actual != group.sha256:
        subject = group.files[0].where if len(group.files) == 1 else f"the set of {len(rows)} files of {group.key}"
        size = sum(row["bytes"] for row in rows)
        raise SourceError(
            f"{subject}: sha256 is {actual} ({size} bytes), the manifest says {group.sha256} "
            f"(places.{place_name}.{group.key}). The file was changed or cut short: get it again. If the change is "
            f"intended, run `lemur pin {manifest.name} {place_name}` and commit the manifest"
        )
    return rows
