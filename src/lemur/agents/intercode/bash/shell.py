"""A root file system in the sandbox, fresh for each episode, in which commands run one after the other."""

import base64
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.intercode.bash import inside
from lemur.sandbox import Limits, Unavailable, backend
from lemur.sandbox.resident import Died, Resident
from lemur.sandbox.root_shell import prepared

SECONDS = 10
"""Wall-clock limit of a command, as in the original."""
GRACE_S = 60.0
"""More seconds until a shell that does not answer is given up."""
OUTPUT_BYTES = 1 << 16
LIMITS = Limits(cpu_s=1_000_000, memory_mb=1024, processes=256, file_mb=128, open_files=1024)
GIT = {
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "lemur"),
    **dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2023-06-01T00:00:00Z"),
    "GIT_CONFIG_GLOBAL": "/dev/null",
}
_INSIDE = Path(inside.__file__).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Ran:
    """`output`: stdout and stderr as they came; `None`: no such program. `timed_out`: killed at the limit."""

    output: bytes | None
    code: int = 0
    timed_out: bool = False


class Shell:
    """Starts with the files of `tree`, a tar archive. `root`: a folder made by `roots.py`, or `None` for this machine's
    programs. Raises `EnvironmentFault` if the sandbox does not start or its programs cannot unpack."""

    def __init__(self, root: Path | None, tree: bytes, *, tracing: bool = False) -> None:
        self._stack = ExitStack()
        try:
            python, binds = "/usr/bin/python3", {}
            if root is None and not Path(python).exists():
                interpreter = backend.python("bubblewrap")
                python, binds = interpreter.command, interpreter.binds
            launch = self._stack.enter_context(
                prepared(root, [python, "-I", "-S", "-c", _INSIDE], limits=LIMITS, binds=binds, tracing=tracing)
            )
            self._resident = Resident(launch)
            self._stack.callback(self._resident.close)
            if root is None:
                self.run(
                    ["/bin/sh", "-c", "echo root:x:0:0:root:/root:/bin/bash >/etc/passwd; echo root:x:0: >/etc/group"]
                )
            unpacked = self.run(["tar", "-x", "-p", "-C", "/"], stdin=tree)
            if unpacked.code or unpacked.output is None:
                raise EnvironmentFault(f"the files of the episode cannot be unpacked: {unpacked.output!r:.300}")
        except (OSError, Unavailable, Died, ValueError) as error:
            self.close()
            raise EnvironmentFault(f"a root file system does not start in the sandbox: {error}") from error
        except BaseException:
            self.close()
            raise

    def run(
        self,
        argv: list[str],
        *,
        cwd: str = "/",
        seconds: float = SECONDS,
        most: int = OUTPUT_BYTES,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
    ) -> Ran:
        """Raises `Died` if the whole file system is gone, for example because it took too much memory."""
        question: dict[str, Any] = {"argv": argv, "cwd": cwd, "seconds": seconds, "most": most, "env": env or {}}
        if stdin:
            question["stdin"] = base64.b64encode(stdin).decode()
        answer = self._resident.ask(question, seconds + GRACE_S)
        if "missing" in answer:
            return Ran(None, 127)
        try:
            return Ran(base64.b64decode(answer["output"]), int(answer["code"]), bool(answer["timed_out"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Died(f"it sent {answer!r:.100}: {error}") from None

    def close(self) -> None:
        """Everything written is gone. May be called twice."""
        self._stack.close()
