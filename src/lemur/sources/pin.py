"""`lemur pin SOURCE PLACE`: get a source once and write its revision and checksums into its manifest."""

import io
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from lemur.core.disk import replace_text
from lemur.core.files import read_text
from lemur.core.scales import Representer
from lemur.sources import checksums
from lemur.sources.manifest import Manifest, SourceError, read
from lemur.sources.origins import Group, collect


def pin(source: Path, place_name: str) -> list[str]:
    """Write the current revision and checksums into `source/manifest.yaml`; print and return the changed keys.

    Updates the checksums of a pinned file under every place that shares it, for example a mirror completed by bundled
    files. Raises `SystemExit` if the place cannot be read.
    """
    try:
        changed = _pin(source, read(source), place_name)
    except SourceError as error:
        raise SystemExit(f"pin {source.name}: {error}") from None
    print("\n".join(changed) or f"{source / 'manifest.yaml'}: nothing changed")
    return changed


def _pin(source: Path, manifest: Manifest, place_name: str) -> list[str]:
    path = source / "manifest.yaml"
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = Representer
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(read_text(path))
    checksum_of: dict[tuple[str, str], str] = {}  # by origin and path
    changed = []

    place = manifest.place(place_name)
    if any((file.origin or place_name) == "hub" for file in place.files) and place.revision is None:
        from lemur.sources.hub import current_revision

        place = place.model_copy(update={"revision": current_revision(place)})
        manifest = manifest.model_copy(update={"places": {**manifest.places, place_name: place}})
        document["places"][place_name]["revision"] = place.revision
        changed.append(f"places.{place_name}.revision: {place.revision}")
    with tempfile.TemporaryDirectory(prefix="lemur-pin-") as work:
        for group in collect(source, manifest, place_name, Path(work)):
            if group.key == "generator":
                changed += _set(document, place_name, "generator", _checksum(group))
            elif not group.pinned_by_archive:
                file = place.files[int(group.key[6:-1])]
                checksum_of[file.origin or place_name, file.path] = _checksum(group)
    # Several places may list the same file (bundled files that complete a mirror).
    for name, other in manifest.places.items():
        for index, file in enumerate(other.files):
            if (file.origin or name, file.path) in checksum_of:
                changed += _set(document, name, f"files[{index}]", checksum_of[file.origin or name, file.path])
    if changed:
        text = io.StringIO()
        yaml.dump(document, text)
        replace_text(path, text.getvalue())
    return changed


def _set(document: dict, place_name: str, key: str, sha256: str) -> list[str]:
    place = document["places"][place_name]
    entry = place["generator"] if key == "generator" else place["files"][int(key[6:-1])]
    if entry.get("sha256") == sha256:
        return []
    entry["sha256"] = sha256
    return [f"places.{place_name}.{key}.sha256: {sha256}"]


def _checksum(group: Group) -> str:
    sums = []
    for file in group.files:
        if file.sha256:
            sums.append((file.name, file.sha256))
            continue
        with file.open() as stream:
            sums.append((file.name, checksums.of_stream(stream)))
    return checksums.of_set(sums) if group.is_set else sums[0][1]
