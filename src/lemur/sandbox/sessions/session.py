"""A Python session of a language agent: cells run in the sandbox, variables last, tools answer from outside."""

import inspect
import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from lemur.sandbox.sessions import libraries
from lemur.sandbox.sessions.channel import Ended
from lemur.sandbox.sessions.interpreter import KEPT_CHARACTERS, Interpreter
from lemur.sandbox.sessions.texts import observation, stopped

TOOL_CHARACTERS = 65536
"""Characters that a cell receives of a tool's answer."""
CALLS = 1000
"""Calls of tools in one cell."""
PLAIN = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

Tool = Callable[..., str]


class SessionFault(RuntimeError):
    """The environment failed: the sandbox or its interpreter does not start. Never because of what a cell did."""


@dataclass(frozen=True)
class CellOutput:
    """What the model reads of a cell, and why the session ended in it, or `None`."""

    text: str
    ended: str | None = None


class Session:
    """IPython in the sandbox. It starts with the first cell; a cell that ends it is followed by a fresh one.

    `tools`: functions in the namespace of the cells. They run here, with texts as arguments, and return text. A
    `ValueError` or `TypeError` of theirs is raised in the cell; anything else they raise closes the session and passes
    on to the caller of `run`.
    `seconds`: a cell's processor time and time asleep, then a TimeoutError is raised in it; a tool's time does not count.
    `characters` of an observation are kept; `memory_mb` MiB, of each process and all together (`sandbox.Limits`).
    `mechanism` is for tests. Several threads may use sessions at once, but each session only one at a time."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        seconds: int = 30,
        characters: int = 2000,
        memory_mb: int = 1024,
        mechanism: str | None = None,
    ) -> None:
        if not 0 < characters <= KEPT_CHARACTERS // 4:
            raise ValueError(f"a session keeps 1 to {KEPT_CHARACTERS // 4:,} characters, not {characters:,}")
        self._signatures = {name: inspect.signature(tool) for name, tool in tools.items()}
        self._parameters = {name: parameters(name, signature) for name, signature in self._signatures.items()}
        self._tools = dict(tools)
        self._limits = {"seconds": seconds, "memory_mb": memory_mb}
        self._characters, self._mechanism = characters, mechanism
        self._interpreter: Interpreter | None = None
        self._cells = self._calls = 0

    def run(self, code: str) -> CellOutput:
        """Run a cell. Raises `SessionFault`, and `lemur.sandbox.Unavailable` where no sandbox works."""
        interpreter = self._interpreter or self._start()
        self._cells, self._calls = self._cells + 1, 0
        try:
            printed = interpreter.run(self._cells, code, self._serve)
        except Ended as error:
            self.close()
            return CellOutput(stopped(str(error)), str(error))
        except BaseException:
            self.close()
            raise
        return CellOutput(observation(printed, self._characters, interpreter.packages, interpreter.library))

    def close(self) -> None:
        """End the session and all its processes. May be called twice; another cell would start a fresh one."""
        if self._interpreter is not None:
            self._interpreter.close()
            self._interpreter = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> Interpreter:
        try:
            self._interpreter = Interpreter(self._parameters, mechanism=self._mechanism, **self._limits)
        except (libraries.Missing, OSError, RuntimeError) as error:
            if type(error).__name__ == "Unavailable":
                raise
            raise SessionFault(str(error)) from error
        return self._interpreter

    def _serve(self, name: str, arguments: Mapping[str, Any]) -> dict[str, str]:
        """The answer to a call, which the model's code may have forged."""
        self._calls += 1
        if self._calls > CALLS:
            return {"kind": "RuntimeError", "error": f"a cell may call tools {CALLS:,} times"}
        if name not in self._tools or not all(isinstance(value, str) for value in arguments.values()):
            return {"kind": "ValueError", "error": f"there is no tool for this call; tools: {', '.join(self._tools)}"}
        try:
            bound = self._signatures[name].bind(**arguments)
            answer = self._tools[name](*bound.args, **bound.kwargs)
        except (TypeError, ValueError) as error:
            return {"kind": type(error).__name__, "error": str(error)[:TOOL_CHARACTERS]}
        return {"result": answer[:TOOL_CHARACTERS]}


def parameters(name: str, signature: inspect.Signature) -> dict[str, bool]:
    """Parameter -> whether it can be left out. Raises `ValueError` for what a stub cannot imitate."""
    for word in (name, *signature.parameters):
        if not word.isidentifier() or keyword.iskeyword(word):
            raise ValueError(f"{word!r} cannot be the name of a tool or its parameter: it is no Python name")
    if bad := [each for each in signature.parameters.values() if each.kind not in PLAIN]:
        raise ValueError(f"the tool {name} has the parameter {bad[0]}; tools take plain parameters")
    return {each.name: each.default is not inspect.Parameter.empty for each in signature.parameters.values()}
