"""What the cells of an episode printed, on record: scoring again and resuming run no code that has run before."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from lemur.core import append_only
from lemur.core.files import PACKAGE
from lemur.core.records import Record, dump
from lemur.core.source_hash import source_hash
from lemur.core.versions import installed
from lemur.inference.answers.files import folder as answers_folder


@dataclass(frozen=True)
class Output:
    """What a cell printed, and the verdict on the world's state after it, by rule (empty: the world has none)."""

    text: str
    solved: Mapping[str, bool] = field(default_factory=dict)


class Interpreter(Protocol):
    """Runs an episode's cells one after the other. May raise `EnvironmentFault`."""

    def run(self, code: str) -> Output: ...

    def close(self) -> None: ...


class CellRecord:
    """A file of outputs by key; safe for several threads and processes, since lines are only ever added."""

    def __init__(self, path: Path | None) -> None:
        """`path` None: keep nothing."""
        self._path = path
        self._outputs: dict[str, Output] = {}
        self._lock = threading.Lock()
        if path is not None:
            for row in append_only.read(path):
                with suppress(KeyError, TypeError):
                    self._outputs[row["key"]] = Output(**row["output"])

    def get(self, key: str) -> Output | None:
        with self._lock:
            return self._outputs.get(key)

    def put(self, key: str, output: Output) -> None:
        with self._lock:
            self._outputs[key] = output
            if self._path is not None:
                append_only.append(self._path, [{"key": key, "output": asdict(output)}])


class Cells:
    """An episode's cells: from the record, else from an interpreter that has run the earlier ones first."""

    def __init__(self, world: str, open_interpreter: Callable[[], Interpreter], record: CellRecord) -> None:
        """`world`: what decides the outputs besides the cells, such as a game's hash and the tools."""
        self._open, self._record = open_interpreter, record
        self._key = world
        self._cells: list[str] = []
        self._interpreter: Interpreter | None = None

    def run(self, code: str) -> Output:
        self._key = hashlib.sha256(dump([self._key, code]).encode()).hexdigest()
        output = self._record.get(self._key)
        if output is None:
            if self._interpreter is None:
                self._interpreter = self._open()
                for cell in self._cells:
                    self._interpreter.run(cell)
            output = self._interpreter.run(code)
            self._record.put(self._key, output)
        elif self._interpreter is not None:  # equal cells ran in another episode meanwhile
            self._interpreter.run(code)
        self._cells.append(code)
        return output

    def close(self) -> None:
        interpreter, self._interpreter = self._interpreter, None
        if interpreter is not None:
            interpreter.close()


def record_of(rooms: Iterable[str], packages: Iterable[str], settings: Record) -> CellRecord:
    """The record of outputs that the code below `rooms` (folders of this package), these packages and settings gave."""
    code = source_hash(PACKAGE, (path for room in rooms for path in (PACKAGE / room).rglob("*.py")))
    versions = {name: installed(name) or "" for name in packages}
    name = hashlib.sha256(dump([code, versions, settings]).encode()).hexdigest()[:32]
    return CellRecord(answers_folder().with_name("cells") / f"{name}.jsonl")
