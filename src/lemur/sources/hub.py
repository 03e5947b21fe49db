"""Place `hub`: the data set's own files at a pinned revision, through the `datasets` library's downloader."""

from pathlib import Path

import fsspec
from datasets import DownloadConfig, DownloadManager

from lemur.sources.manifest import File, Place, SourceError
from lemur.sources.patterns import is_pattern, literal_folder, matches


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
        found = _listing(root, file.path) if is_pattern(file.path) else [(file.path, {})]
        if not found:
            raise SourceError(f"no file of {root} matches {file.path}; was the repository reorganised? See its page")
        # use_etag=False: the revision is a commit, so a cached file never goes stale.
        manager = DownloadManager(download_config=DownloadConfig(use_etag=False, max_retries=3))
        paths = manager.download([f"{root}/{name}" for name, _ in found])
    except (OSError, ValueError) as error:
        raise SourceError(_unreachable(f"{root}/{file.path}", error)) from error
    return [(name, Path(path), fields) for (name, fields), path in zip(found, paths, strict=True)]


def _listing(root: str, pattern: str) -> list[tuple[str, dict[str, str]]]:
    filesystem, base = fsspec.core.url_to_fs(root)
    paths = filesystem.find(f"{base}/{literal_folder(pattern)}".rstrip("/"))
    prefix = str(filesystem._strip_protocol(base)).rstrip("/") + "/"
    return matches(pattern, [path.removeprefix(prefix) for path in paths])


def _unreachable(what: str, error: Exception) -> str:
    return (
        f"{what} could not be downloaded ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}); "
        "check the connection, accept the data set's terms on its page where it is gated and log in with `hf auth "
        "login`, or choose another place (`fetch` in params.yaml). What was downloaded is kept: run again to resume"
    )
