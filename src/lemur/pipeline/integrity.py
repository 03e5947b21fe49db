"""Whether what lies in DVC's cache is what its names say. DVC itself believes every write-protected file there."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lemur import workers

if TYPE_CHECKING:
    from dvc.repo import Repo

# DVC names a file in its cache by the MD5 of its content, a listing of a folder with `.dir` behind it.
CACHED = re.compile(r"/files/md5/([0-9a-f]{2})/([0-9a-f]{30})(?:\.dir)?$")


def check_inputs(stage: str, inputs: Iterable[Path]) -> None:
    """Compare the content of inputs that are links into DVC's cache with their names, by reading them.

    Raises `SystemExit` that names input, cache file and what to do.
    """
    files = {Path(os.path.realpath(file)): file for path in inputs for file in _files(path)}
    problems = [
        f"{stage}: input {files[cached]} is damaged: {cached} has MD5 {found}"
        for cached, found in damaged(files).items()
    ]
    if problems:
        raise SystemExit(
            "\n".join(problems) + "\n`lemur check --cache` takes damaged files out; a build or `lemur pull` then "
            "brings what is missing."
        )


def damaged(files: Iterable[Path]) -> dict[Path, str]:
    """Files of DVC's cache whose content does not have the MD5 that their path says, with the one it has, sorted."""
    cached = sorted(file for file in set(files) if CACHED.search(str(file)) and file.is_file())
    with ThreadPoolExecutor(workers.count()) as pool:
        found = dict(zip(cached, pool.map(_md5, cached), strict=True))
    return {file: md5 for file, md5 in found.items() if md5 != _named(file)}


def check_cache() -> None:
    """Read every file in DVC's cache, and take out those that are damaged. Raises `SystemExit` that names them."""
    from lemur.pipeline.dag import Dag

    repo = Dag().repo
    cache = Path(repo.cache.local.path)
    files = [file for file in cache.glob("??/*") if CACHED.search(str(file))]
    found = _take_out(repo, files)
    if found:
        raise SystemExit("\n".join(found) + "\nTaken out; a build makes them again, `lemur pull` fetches them.")
    print(f"{cache}: {len(files)} files have the content that their names say")


def drop_damaged(repo: "Repo", outputs: set[str]) -> None:
    """Take out the cached content of these outputs where it is damaged, so that DVC does not restore it."""
    if outputs:
        files = [file for out in repo.index.outs if out.def_path in outputs for file, _ in _objects(repo, out)]
        for line in _take_out(repo, files):
            print(f"{line}; it is made again", flush=True)


def drop_dangling(repo: "Repo") -> None:
    """Remove links to what is no longer in the cache from the outputs: DVC stumbles over them."""
    for out in repo.index.outs:
        path = Path(out.fs_path)
        inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
        for link in [link for link in inside if link.is_symlink() and not link.exists()]:
            link.unlink()


def _take_out(repo: "Repo", files: Iterable[Path]) -> list[str]:
    """Remove damaged files and the links to them. Returns a line for each."""
    found = damaged(files)
    if not found:
        return []
    artifacts = {file: name for out in repo.index.outs for file, name in _objects(repo, out)}
    for file in found:
        file.unlink()
    drop_dangling(repo)
    return [
        f"{artifacts.get(file, 'a former artifact')} is damaged in the cache: {file} has MD5 {md5}"
        for file, md5 in found.items()
    ]


def _objects(repo: "Repo", out: Any) -> Iterator[tuple[Path, str]]:
    """The files in the cache that an output of dvc.lock is made of, each with the artifact's path."""
    if not out.hash_info:
        return
    listing = Path(repo.cache.local.oid_to_path(out.hash_info.value))
    yield listing, out.def_path
    if listing.suffix == ".dir":
        try:
            entries = [(entry["md5"], entry["relpath"]) for entry in json.loads(listing.read_bytes())]
        except (OSError, ValueError, KeyError, TypeError):
            return
        for md5, relpath in entries:
            yield Path(repo.cache.local.oid_to_path(md5)), f"{out.def_path.rstrip('/')}/{relpath}"


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for folder, _, names in os.walk(path, followlinks=True):
            yield from (Path(folder) / name for name in names)
    else:
        yield path


def _md5(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _named(file: Path) -> str:
    match = CACHED.search(str(file))
    assert match
    return match[1] + match[2]
