"""Files of a source that are listed but not downloaded: each is on disk, verified, only while it is being read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_incrementing

from lemur.sources.checksums import copy
from lemur.sources.fetched import FetchedFile
from lemur.sources.manifest import SourceError

BLOCK = 1 << 24  # bytes requested at a time, and lost at most when a connection breaks
TRIES = 5  # failures in a row before giving up
PAUSE_S = 1.0  # pause after the first failure; the n-th pause is n times as long


@contextmanager
def on_disk(file: FetchedFile, folder: Path) -> Iterator[FetchedFile]:
    """`file` itself if it is on disk; if it is only listed, a copy below `folder` that lasts as long as the context.

    Raises `SourceError` if the file cannot be downloaded or differs from the pinned one.
    """
    if not file.url:
        yield file
        return
    with TemporaryDirectory(prefix=".shard-", dir=folder) as work:
        local = replace(file, root=Path(work), url="")
        sha256, size = copy(Remote(file.url, file.bytes), local.path)
        if sha256 != file.sha256:
            raise SourceError(
                f"{file.url}: sha256 is {sha256} ({size} bytes), {file.sha256} was pinned. The file has changed since: "
                "put the pinned one back there and run again. If the change is intended, run `lemur pin SOURCE hub` "
                "and commit the manifest"
            )
        yield local


def advice(url: str) -> str:
    """What to check if nothing can be read there; a URL without a scheme is a data set of the hub."""
    scheme = url.partition("://")[0] if "://" in url else "hf"
    if scheme == "hf":
        return (
            "check the connection; if the data set is gated, accept the terms on its page and log in (`hf auth login`)"
        )
    if scheme == "s3":
        return (
            "check the connection, the URL and the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY; also AWS_ENDPOINT_URL if the server is not Amazon's)"
        )
    return "check the connection, the URL and your access to it"


class Remote:
    """The first `size` bytes at an fsspec URL, readable once; reconnects and resumes when a connection breaks."""

    def __init__(self, url: str, size: int) -> None:
        self.url = url
        self.size = size
        self._at = 0
        self._file: fsspec.spec.AbstractBufferedFile | None = None

    def read(self, count: int) -> bytes:
        """At most `count` bytes; none at the end. Raises `SourceError` after `TRIES` failed attempts."""
        attempts = Retrying(
            retry=retry_if_exception_type(Exception),  # every file system has its own
            stop=stop_after_attempt(TRIES),
            wait=wait_incrementing(start=PAUSE_S, increment=PAUSE_S),
        )
        try:
            return attempts(self._read_once, count)
        except RetryError as failure:
            error = failure.last_attempt.exception()
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise SourceError(
                f"{self.url}: received {self._at} of {self.size} bytes, then nothing in {TRIES} tries ({reason}); "
                f"{advice(self.url)}, then run again"
            ) from None

    def _read_once(self, count: int) -> bytes:
        if self._at == self.size:
            return b""
        try:
            if self._file is None:
                # fsspec.open would pass the block size to the file system, and s3 and sftp refuse it there.
                filesystem, path = fsspec.core.url_to_fs(self.url)
                self._file = filesystem.open(path, "rb", block_size=BLOCK)
                self._file.seek(self._at)
            data: bytes = self._file.read(min(count, self.size - self._at))
            if not data:
                raise OSError(f"it ends after {self._at} bytes")
        except Exception:
            self._file = None
            raise
        self._at += len(data)
        return data
