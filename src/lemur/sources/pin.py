"""`lemur pin SOURCE PLACE`: gets a source once and writes its revision and checksums into its manifest."""

import io
import os
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from lemur.core.scales import Representer
from lemur.sources import checksums
from lemur.sources.manifest import Manifest, SourceError, read
from lemur.sources.origins import Group, collect


def pin(source: Path, place_name: str) -> list[str]:
    """Write what is found now into `source/manifest.yaml`; returns the keys that changed, which it also prints.

    `place_name` may also be "bundled" for a source whose other places take files from its bundled folder: their
    checksums are brought up to date too. Raises `SystemExit` if the place cannot be read.
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
    document = yaml.load(path.read_text(encoding="utf-8"))
    found: dict[tuple[str, str], str] = {}
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
                found[file.origin or place_name, file.path] = _checksum(group)
    # The same file may stand under several places (bundled files that complete a mirror).
    for name, other in manifest.places.items():
        for index, file in enumerate(other.files):
            if (file.origin or name, file.path) in found:
                changed += _set(document, name, f"files[{index}]", found[file.origin or name, file.path])
    if changed:
        text = io.StringIO()
        yaml.dump(document, text)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text.getvalue(), encoding="utf-8")
        os.replace(partial, path)
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
    for found in group.files:
        if found.sha256:
            sums.append((found.name, found.sha256))
            continue
        with found.open() as stream:
            sums.append((found.name, checksums.of_stream(stream)))
    return checksums.of_set(sums) if group.is_set else sums[0][1]
