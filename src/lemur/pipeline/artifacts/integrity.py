"""Checks that inputs and DVC's cache hold the recorded bytes. DVC itself trusts every file it has seen before."""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lemur.core import workers
from lemur.core.disk import file_md5
from lemur.core.files import ROOT

if TYPE_CHECKING:
    from dvc.repo import Repo

# DVC names a file in its cache by the MD5 of its content, and adds `.dir` for the listing of a folder.
CACHED = re.compile(r"/files/md5/([0-9a-f]{2})/([0-9a-f]{30})(?:\.dir)?$")
IGNORED = re.compile(r"\.snakemake_timestamp|__pycache__|\..*\.partial")  # the same as in .dvcignore
ATTEMPTS = 20
ADVICE = (
    "Remove it and run `lemur check --cache`, which removes damaged files from DVC's cache; "
    "a build or `lemur pull` then restores what is missing."
)


def check_inputs(stage: str, inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Read a stage's inputs and compare them with what the earlier stages wrote, according to dvc.lock.

    An input folder may contain the stage's own previous outputs, which are not checked.

    Raises `SystemExit` that names what differs and what to do.
    """
    paths, own = list(inputs), set(outputs)
    for attempt in range(ATTEMPTS):
        problems = _problems(stage, paths, own)
        if not problems:
            return
        if attempt < ATTEMPTS - 1:
            time.sleep(0.25)  # another job's DVC may be writing dvc.lock, which is not atomic
    raise SystemExit("\n".join(problems))


def _problems(stage: str, paths: list[Path], own: set[Path]) -> list[str]:
    try:
        recorded = {out: md5 for out, md5 in _recorded().items() if out not in own}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return [
            f"{stage}: dvc.lock cannot be read, so no input can be checked ({reason}); "
            "`git checkout dvc.lock` restores the committed one"
        ]
    outs = sorted(out for out in recorded if any(path == out or path in out.parents for path in paths))
    digests = {out: digest(out) for out in outs}
    damaged = [
        f"{stage}: input {out} is damaged: MD5 {digests[out]}, in dvc.lock {recorded[out]}"
        for out in outs
        if digests[out] != recorded[out]
    ]
    return [*damaged, ADVICE] if damaged else []


def _recorded() -> dict[Path, str]:
    try:
        text = (ROOT / "dvc.lock").read_bytes()
    except FileNotFoundError:
        return {}
    stages = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"]
    return {Path(out["path"]): out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def digest(path: Path) -> str:
    """The hash that DVC gives to a file or folder with its present content."""
    if not path.is_dir():
        return file_md5(path) if path.exists() else "none"
    files = [
        file
        for file in path.rglob("*")
        if file.is_file() and not any(IGNORED.fullmatch(part) for part in file.relative_to(path).parts)
    ]
    entries = [
        {"md5": md5, "relpath": file.relative_to(path).as_posix()}
        for file, md5 in zip(files, _md5s(files), strict=True)
    ]
    listing = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    return hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest() + ".dir"


def check_cache(repo: "Repo") -> None:
    """Read every file in DVC's cache and remove the damaged ones. Raises `SystemExit` that names them."""
    cache = Path(repo.cache.local.path)
    files = [file for file in cache.glob("??/*") if CACHED.search(str(file))]
    damaged = _remove_damaged(repo, files)
    if damaged:
        raise SystemExit("\n".join(damaged) + "\nRemoved; a build makes them again, or `lemur pull` fetches them.")
    print(f"{cache}: all {len(files)} files match the hashes in their names")


def drop_damaged(repo: "Repo", outputs: set[str]) -> None:
    """Remove damaged cache files of these outputs, so that DVC does not restore them."""
    if outputs:
        files = [file for out in repo.index.outs if out.def_path in outputs for file, _ in cached_files(repo, out)]
        for line in _remove_damaged(repo, files):
            print(f"{line}; it will be built again", flush=True)


def drop_dangling(repo: "Repo") -> list[str]:
    """Remove links to missing cache files from the outputs: DVC makes such links and then fails on them."""
    dropped = []
    for out in repo.index.outs:
        path = Path(out.fs_path)
        inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
        for link in [link for link in inside if link.is_symlink() and not link.exists()]:
            link.unlink()
            dropped.append(str(link.relative_to(repo.root_dir)))
    return dropped


def cached_files(repo: "Repo", out: Any) -> Iterator[tuple[Path, str]]:
    """The cache files of an output in dvc.lock, each with the path of its artifact."""
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


def _remove_damaged(repo: "Repo", files: Iterable[Path]) -> list[str]:
    """Remove damaged cache files and the links to them. Returns one line per file."""
    present = sorted(file for file in set(files) if file.is_file())
    damaged = {file: md5 for file, md5 in zip(present, _md5s(present), strict=True) if md5 != _md5_in_name(file)}
    if not damaged:
        return []
    artifacts = {file: name for out in repo.index.outs for file, name in cached_files(repo, out)}
    for file in damaged:
        file.unlink()
    drop_dangling(repo)
    return [
        f"{artifacts.get(file, 'a former artifact')} is damaged in the cache: {file} has MD5 {md5}"
        for file, md5 in damaged.items()
    ]


def _md5s(files: list[Path]) -> list[str]:
    with ThreadPoolExecutor(workers.count()) as pool:
        return list(pool.map(file_md5, files))


def _md5_in_name(file: Path) -> str:
    match = CACHED.search(str(file))
    return match[1] + match[2] if match else ""
