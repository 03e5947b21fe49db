"""What the shards of a stage gave, so that its next run takes from DVC's cache those that nothing has changed.

The runner keeps a ledger for a stage whose command has `ledger=PATH`. Each line has the name of a shard, a key of all
that decides it besides the parameters, code and whole inputs of the stage, the MD5 of its outputs, and its result.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, TypeAdapter

from lemur.core.disk import file_md5
from lemur.core.records import Record, dump, write_jsonl


class Cache(Protocol):
    """Gives files by their MD5. Each worker gets a copy."""

    def give(self, md5: str, path: Path) -> bool:
        """Put the file at `path`, where nothing is. False if the cache does not have it undamaged."""


class Previous(Protocol):
    """The previous run of a stage."""

    @property
    def cache(self) -> Cache: ...

    def lines(self, read: Iterable[Path]) -> list[Record]:
        """The lines of its ledger; none if anything differs now besides what is read shard by shard: these files."""


class Ledger:
    def __init__(self, previous: Previous | None) -> None:
        self.previous = previous
        self.lines: list[Record] = []
        self._taken: defaultdict[str, bool] = defaultdict(lambda: True)

    def add(self, line: Record, *, taken: bool) -> None:
        self.lines.append(line)
        self._taken[line["shard"]] &= taken

    def write(self, path: Path) -> None:
        write_jsonl(path, self.lines)

    def taken(self) -> tuple[int, int]:
        """How many shards were taken, of how many. One that the stage works on twice counts if it was taken twice."""
        return sum(self._taken.values()), len(self._taken)


_current: ContextVar[Ledger | None] = ContextVar("ledger", default=None)
current = _current.get


@contextmanager
def recording(previous: Previous | None) -> Iterator[Ledger]:
    """A ledger of the stage that runs in this context."""
    ledger = Ledger(previous)
    token = _current.set(ledger)
    try:
        yield ledger
    finally:
        _current.reset(token)


class Function:
    """A stage's function of one shard, as its ledger knows it.

    Raises `TypeError` if the function has no return annotation that JSON can be read back by, or if one of its bound
    arguments or of `shared` is no plain value.
    """

    def __init__(self, function: Callable[..., Any], shared: Any) -> None:
        bound: list[Any] = []
        while isinstance(function, partial):
            bound = [*function.args, function.keywords, *bound]
            function = function.func
        self.name = f"{function.__module__}.{function.__qualname__}"
        annotation = signature(function).return_annotation
        if annotation is signature(function).empty or isinstance(annotation, str):
            raise TypeError(
                f"{self.name}: a ledger keeps its results, so it needs a return annotation, not as a string"
            )
        self._results = TypeAdapter(annotation)
        self._decides = [self.name, plain(bound, _content), plain(shared, _content)]

    def key(self, job: Any, inputs: Sequence[str | None]) -> str:
        """The hash of what decides a job's outputs. `inputs`: the MD5 of each input, None if it is not on disk."""
        others = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in ("name", "inputs", "outputs")}
        decides = [*self._decides, plain(others, lambda path: path.name), sorted(job.outputs), *inputs]
        return hashlib.sha256(dump(decides).encode()).hexdigest()

    def written(self, result: Any) -> Any:
        """A result as the ledger has it. Raises `TypeError` if it would come back as something else."""
        value = plain(result)
        if self.read(value) != result:
            raise TypeError(f"{self.name}: its result is another one when it was written as JSON: {result!r:.80}")
        return value

    def read(self, value: Any) -> Any:
        return self._results.validate_python(json.loads(dump(value)))


def plain(value: Any, of_path: Callable[[Path], Any] | None = None) -> Any:
    """A value as JSON has it, sets sorted; `of_path` gives what stands for a path. Raises `TypeError` for others."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path) and of_path is not None:
        return of_path(value)
    if isinstance(value, BaseModel):
        return plain(value.model_dump(), of_path)
    if isinstance(value, Mapping):
        return {_key(key): plain(item, of_path) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item, of_path) for item in value), key=dump)
    if isinstance(value, list | tuple):
        return [plain(item, of_path) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), of_path) for field in fields(value)}
    raise TypeError(f"{type(value).__qualname__}: no plain value, which a ledger of shards needs: {value!r:.80}")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{key!r:.80}: a key that is no text, which a ledger of shards needs")
    return key


def _content(path: Path) -> str:
    if path.is_dir():
        raise TypeError(
            f"{path}: a folder; say with `shared` what else decides the shards than whole inputs of the stage"
        )
    return file_md5(path)
