"""What a stage dropped and why: a folder of zstd-compressed JSON lines, one file a shard."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from lemur.core.records import Record, Writer, dump, parse_lines

SUFFIX = ".jsonl.zst"


@contextmanager
def rejects_writer(path: Path) -> Iterator[Writer]:
    """`with rejects_writer(path) as write: write(reject)` writes one canonical line per reject."""
    import pyarrow

    path.parent.mkdir(parents=True, exist_ok=True)
    with pyarrow.CompressedOutputStream(pyarrow.OSFile(str(path), "wb"), "zstd") as stream:
        yield lambda record: stream.write(f"{dump(record)}\n".encode())


def read_rejects(folder: Path) -> Iterator[Record]:
    """Every reject in a folder, by the names of its files. Raises `ValueError` with file and line if a file is
    damaged."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with open_rejects(path) as lines:
            yield from (record for _, record in parse_lines(path, lines))


@contextmanager
def open_rejects(path: Path) -> Iterator[BufferedReader]:
    """The lines of one file. Raises `ValueError`, also while reading, if it is damaged."""
    import pyarrow

    try:
        with (
            pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd") as stream,
            BufferedReader(stream) as lines,
        ):
            yield lines
    except OSError as error:
        raise ValueError(f"{path}: cut off or damaged ({error}); run the stage that wrote it again") from None
