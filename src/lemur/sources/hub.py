"""Place `hub`: the data set's own files at a pinned revision, through the `datasets` library's downloader."""

from pathlib import Path
from typing import Any, NamedTuple

import fsspec
from datasets import DownloadConfig, DownloadManager

from lemur.sources.checksums import of_stream
from lemur.sources.manifest import File, Place, SourceError
from lemur.sources.patterns import is_pattern, literal_folder, matches
from lemur.sources.streamed import Remote


class Listed(NamedTuple):
    """A file of a repository that was not downloaded; `fields` are the pattern's."""

    name: str
    url: str
    sha256: str
    bytes: int
    fields: dict[str, str]


def root_url(place: Place) -> str:
    """fsspec URL of the repository at its revision; a `repo` that is a URL (a copy in a bucket) stands for itself."""
    repo = place.repo or ""
    if "://" in repo:
        return repo.rstrip("/")
    folder = repo.removeprefix("models/") if repo.startswith("models/") else f"datasets/{repo}"
    return f"hf://{folder}@{place.revision}"


def current_revision(place: Place) -> str:
    """The commit that `main` names now. Raises `SourceError` if the hub cannot be asked."""
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
    """Download the files of one entry into the library's cache: name, where it is now, fields of the pattern.

    The library resumes what a broken connection left. Raises `SourceError` if the hub or a file cannot be had.
    """
    root = root_url(place)
    try:
        found: list[tuple[str, dict[str, str]]] = [(file.path, {})]
        if is_pattern(file.path):
            found = [(name, fields) for name, fields, _ in _found(root, file.path)]
        # use_etag=False: the revision is a commit, so a cached file never goes stale.
        manager = DownloadManager(download_config=DownloadConfig(use_etag=False, max_retries=3))
        paths = manager.download([f"{root}/{name}" for name, _ in found])
    except SourceError:
        raise
    except Exception as error:  # the client's own errors are of many kinds
        raise SourceError(_unreachable(f"{root}/{file.path}", error)) from error
    return [(name, Path(path), fields) for (name, fields), path in zip(found, paths, strict=True)]


def listing(place: Place, file: File) -> list[Listed]:
    """The files of one entry with size and sha256, none of them downloaded.

    The hub knows the sha256 of large files; what it does not know, and files of another repository, are read through
    once. Raises `SourceError` if the hub cannot be asked or has no such file.
    """
    root = root_url(place)
    try:
        return [
            Listed(name, f"{root}/{name}", _sha256(f"{root}/{name}", details), details["size"], fields)
            for name, fields, details in _found(root, file.path)
        ]
    except SourceError:
        raise
    except Exception as error:  # the client's own errors are of many kinds
        raise SourceError(_unreachable(f"{root}/{file.path}", error)) from error


def _sha256(url: str, details: dict[str, Any]) -> str:
    if lfs := details.get("lfs"):
        return str(lfs["sha256"])
    return of_stream(Remote(url, details["size"]))


def _found(root: str, path: str) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """Names that a path or pattern stands for, with the pattern's fields and what the file system knows of them."""
    filesystem, base = fsspec.core.url_to_fs(root)
    prefix = str(filesystem._strip_protocol(base)).rstrip("/") + "/"
    if not is_pattern(path):
        return [(path, {}, filesystem.info(prefix + path))]
    details = filesystem.find(f"{base}/{literal_folder(path)}".rstrip("/"), detail=True)
    by_name = {name.removeprefix(prefix): known for name, known in details.items()}
    found = [(name, fields, by_name[name]) for name, fields in matches(path, by_name)]
    if not found:
        raise SourceError(f"no file of {root} matches {path}; was the repository reorganised? See its page")
    return found


def _unreachable(what: str, error: Exception) -> str:
    return (
        f"{what} could not be downloaded ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}); "
        "check the connection, accept the data set's terms on its page where it is gated and log in with `hf auth "
        "login`, or choose another place (`fetch` in params.yaml). What was downloaded is kept: run again to resume"
    )
