"""Place `hub`: the data set's own files at a pinned revision, through the `datasets` library's downloader."""

from pathlib import Path
from typing import Any, NamedTuple

import fsspec
from datasets import DownloadConfig, DownloadManager

from lemur.sources.checksums import of_stream
from lemur.sources.manifest import File, Place, SourceError
from lemur.sources.patterns import is_pattern, literal_folder, matches
from lemur.sources.streamed import Remote, advice


class ListedFile(NamedTuple):
    """A file of a repository, listed but not downloaded. `fields`: those of the pattern."""

    name: str
    url: str
    sha256: str
    bytes: int
    fields: dict[str, str]


def root_url(place: Place) -> str:
    """fsspec URL of the repository at its revision; if `repo` is a URL itself (a copy in a bucket), that URL."""
    repo = place.repo or ""
    if "://" in repo:
        return repo.rstrip("/")
    folder = repo.removeprefix("models/") if repo.startswith("models/") else f"datasets/{repo}"
    return f"hf://{folder}@{place.revision}"


def current_revision(place: Place) -> str:
    """The commit that `main` points to now. Raises `SourceError` if the hub cannot be reached."""
    from huggingface_hub import HfApi

    repo = place.repo or ""
    if "://" in repo:
        return "unversioned"
    kind = "model" if repo.startswith("models/") else "dataset"
    try:
        return str(HfApi().repo_info(repo.removeprefix("models/"), repo_type=kind, revision="main").sha)
    except Exception as error:
        raise SourceError(_unreachable(repo, error)) from error


def resolve(place: Place, file: File) -> list[tuple[str, Path, dict[str, str]]]:
    """Download an entry's files into the library's cache; return (name, path, fields of the pattern) of each.

    The library resumes interrupted downloads. Raises `SourceError` if the hub or a file cannot be reached.
    """
    root = root_url(place)
    try:
        names: list[tuple[str, dict[str, str]]] = [(file.path, {})]
        if is_pattern(file.path):
            names = [(name, fields) for name, fields, _ in _matching_files(root, file.path)]
        # A file of the hub is cached by its commit; one in a bucket may be replaced, and is cached by its ETag.
        manager = DownloadManager(download_config=DownloadConfig(use_etag=True, max_retries=3))
        paths = manager.download([f"{root}/{name}" for name, _ in names])
    except SourceError:
        raise
    except Exception as error:  # the client's own errors are of many kinds
        raise SourceError(_unreachable(f"{root}/{file.path}", error)) from error
    return [(name, Path(path), fields) for (name, fields), path in zip(names, paths, strict=True)]


def listing(place: Place, file: File) -> list[ListedFile]:
    """The files of an entry with size and sha256, without downloading them.

    The hub knows the sha256 of large files; its other files, and files in a bucket, are read once to compute it. Raises
    `SourceError` if the hub cannot be reached or has no such file.
    """
    root = root_url(place)
    try:
        return [
            ListedFile(name, f"{root}/{name}", _sha256(f"{root}/{name}", details), details["size"], fields)
            for name, fields, details in _matching_files(root, file.path)
        ]
    except SourceError:
        raise
    except Exception as error:  # the client's own errors are of many kinds
        raise SourceError(_unreachable(f"{root}/{file.path}", error)) from error


def _sha256(url: str, details: dict[str, Any]) -> str:
    if lfs := details.get("lfs"):
        return str(lfs["sha256"])
    return of_stream(Remote(url, details["size"]))


def _matching_files(root: str, path: str) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """(name, fields of the pattern, the file system's details) of each file that a path or pattern stands for."""
    filesystem, base = fsspec.core.url_to_fs(root)
    # At its root, GitHub's file system has the empty path, and its names do not begin with a slash.
    root_path = str(filesystem._strip_protocol(base)).rstrip("/")
    prefix = f"{root_path}/" if root_path else ""
    if not is_pattern(path):
        return [(path, {}, filesystem.info(prefix + path))]
    details = filesystem.find(f"{prefix}{literal_folder(path)}".rstrip("/"), detail=True)
    by_name = {name.removeprefix(prefix): info for name, info in details.items()}
    files = [(name, fields, by_name[name]) for name, fields in matches(path, by_name)]
    if not files:
        raise SourceError(f"no file of {root} matches {path}; was the repository reorganised? See its page")
    return files


def _unreachable(target: str, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else ""
    return (
        f"{target} could not be downloaded ({type(error).__name__}: {reason}); {advice(target)}; or choose another "
        "place (`fetch` in params.yaml). Completed downloads are kept: run again to resume"
    )
