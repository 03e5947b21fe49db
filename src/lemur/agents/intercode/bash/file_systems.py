"""The file systems of IC-Bash: files as data, put under git as in the original image, with fixed dates."""

import base64
import gzip
import io
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.intercode.bash.shell import GIT, Shell
from lemur.benchmark_items.intercode import FILE_SYSTEMS
from lemur.core.records import read_json
from lemur.sources.fetched import Fetched

MODIFIED = "2023-06-01T00:00:00Z"
"""Date of a file for which the original script sets none; there it is the day the image is built."""
COMMIT = "git init -q --template= && git add -A && git commit -q -m start && tar -cf - .git"
GIT_BYTES = 16 << 20


@dataclass(frozen=True)
class FileSystem:
    """`tree`: a tar archive of its files, the .gitignore and the repository."""

    name: str
    tree: bytes


def read(source: Fetched) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The entries of each file system, and the names that git ignores at the root. Raises `ValueError`."""
    files = [file for file in source.files if file.schema == FILE_SYSTEMS]
    if len(files) != 1:
        raise ValueError(f"source {source.name}: {len(files)} files of schema {FILE_SYSTEMS}; one is allowed")
    record = read_json(files[0].path)
    try:
        return dict(record["file_systems"]), list(record["image"]["git_ignored_at_root"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{files[0].path}: {error!r} is missing; fetch the file again") from None


def build(name: str, entries: Sequence[dict[str, Any]], ignored: Sequence[str], root: Path | None) -> FileSystem:
    """The file system under git. Raises `EnvironmentFault`."""
    names = "".join(f"/{each}\n" for each in (*ignored, "python", "lib32", "lib64", "libx32"))
    plain = archive([*entries, {"path": "/.gitignore", "kind": "file", "mode": "644", "text": names}])
    shell = Shell(root, plain)
    try:
        made = shell.run(["/bin/sh", "-c", COMMIT], seconds=60, most=GIT_BYTES, env=GIT)
    finally:
        shell.close()
    if made.code or not made.output:
        raise EnvironmentFault(f"file system {name}: git fails: {made.output!r:.300}")
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as both:
        for content in (plain, made.output):
            with tarfile.open(fileobj=io.BytesIO(content)) as part:
                for member in part:
                    both.addfile(member, part.extractfile(member) if member.isfile() else None)
    return FileSystem(name, target.getvalue())


def archive(entries: Iterable[dict[str, Any]]) -> bytes:
    """A tar archive of entries {path, kind, mode, text or base64 or archive, modified}, owned by root."""
    entries = list(entries)
    contents = {entry["path"]: _content(entry, entries) for entry in entries}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for entry in entries:
            _add(tar, entry, entry["path"], contents[entry["path"]])
    return target.getvalue()


def _add(tar: tarfile.TarFile, entry: dict[str, Any], path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.type = tarfile.DIRTYPE if entry["kind"] == "directory" else tarfile.REGTYPE
    member.mode = int(entry["mode"], 8)
    moment = datetime.strptime(entry.get("modified", MODIFIED), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    member.mtime = int(moment.timestamp())
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _content(entry: dict[str, Any], entries: Sequence[dict[str, Any]]) -> bytes:
    if "base64" in entry:
        return base64.b64decode(entry["base64"])
    if "archive" not in entry:
        return str(entry.get("text", "")).encode()
    by_path = {each["path"]: each for each in entries if "archive" not in each}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in entry["archive"]:
            member = by_path["/" + name.strip("/")]
            _add(tar, member, name, _content(member, entries))
    return gzip.compress(packed.getvalue(), mtime=0)
