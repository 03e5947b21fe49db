"""An episode of IC-CTF: a shell in the folder of a task, and a flag to submit."""

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from posixpath import join, normpath
from shlex import quote, split

from lemur.agents.episodes.environment import Action
from lemur.agents.intercode.bash.file_systems import archive
from lemur.agents.intercode.bash.shell import Shell
from lemur.agents.intercode.game import Outcome
from lemur.benchmark_items.intercode import ASSET, Task
from lemur.sandbox.resident import Died
from lemur.sources.fetched import Fetched

ONLINE: Mapping[int, str] = {
    **dict.fromkeys((1, 14), "its `setup` fetches files from the internet"),
    **dict.fromkeys((9, 20, 28, 29, 42, 43, 57, 62, 66, 73, 87, 88, 89, 95), "needs a live picoCTF server (nc)"),
    **dict.fromkeys((16, 54), "needs a live picoCTF web server"),
    **dict.fromkeys((35, 39, 41), "needs the internet"),
}
"""Tasks that cannot be solved offline, and why."""
WITHOUT_FILES = frozenset((5, 17, 18, 19, 22, 40, 90))
"""Tasks whose query says all that is needed."""
NEEDED: Mapping[int, str] = {
    **dict.fromkeys((6, 24, 30, 31, 32, 33, 34, 78), ".py"),
    7: "warm",
    8: ".jpg",
    85: ".ps1",
}
"""How the name of a file ends without which the others are of no use; the mirror has no programs and photographs."""
WRONG_FLAGS = frozenset((15,))
"""Tasks whose gold flag is wrong (princeton-nlp/intercode, issue 25)."""
INCORRECT = "Submitted flag is incorrect. Keep trying!"
MALFORMED, TIMED_OUT, GONE = "Malformed command", "Command timed out", "The system stopped and started again"


def assets(source: Fetched) -> dict[int, dict[str, Path]]:
    """The files of each task by their path in its folder; solutions are left out."""
    found: dict[int, dict[str, Path]] = {}
    for file in source.files:
        if file.schema == ASSET:
            number = str(file.meta["number"])
            path = file.name.rpartition(f"assets/{number}/")[2]
            if not path.startswith("solution"):
                found.setdefault(int(number), {})[path] = file.path
    return found


def why_not_runnable(task: Task, files: Mapping[str, Path], *, sample: bool) -> str | None:
    """Why the task cannot be solved here, or `None`. A `sample` of this project is always whole."""
    assert task.number is not None
    if sample:
        return None
    if task.number in ONLINE:
        return ONLINE[task.number]
    if task.number not in WITHOUT_FILES and not files:
        return "its files are not at this place of the source"
    ending = NEEDED.get(task.number, "")
    if not any(name.endswith(ending) for name in files) and files:
        return f"its file *{ending} is not at this place of the source"
    return None


class CaptureMachine:
    """`lemur.agents.intercode.game.Machine`. Both rules: paper compares the first word after `submit` without case,
    strict all that follows, as it is."""

    def __init__(self, root: Path | None, task: Task, files: Mapping[str, Path]) -> None:
        self._root, self._task, self._files = root, task, files
        self._folder = f"/ctf/{task.number}"
        self._start()

    def act(self, action: Action) -> Outcome:
        if action.kind == "solution":
            return self._submit(action.text)
        try:
            return Outcome(self._run(action.text), 0, False)
        except Died:
            self._shell.close()
            self._start()
            return Outcome(GONE, 0, False)

    def close(self) -> None:
        self._shell.close()

    def _start(self) -> None:
        folder = {"path": self._folder, "kind": "directory", "mode": "755"}
        entries = [folder] + [
            {"path": f"{self._folder}/{name}", "kind": "file", "mode": "755", "base64": b64encode(path.read_bytes())}
            for name, path in sorted(self._files.items())
        ]
        self._cwd = self._folder
        self._shell = Shell(self._root, archive(entries), tracing=True)
        if self._task.setup:
            self._shell.run(["/bin/bash", "-c", self._task.setup], cwd=self._cwd)

    def _submit(self, text: str) -> Outcome:
        """A bare `submit` is a wrong flag; the original stops with an error."""
        said = text.removeprefix("submit").strip()
        gold = self._task.gold
        found = bool(said) and said.split()[0].lower() == gold.lower()
        return Outcome("" if found else INCORRECT, int(found), said == gold)

    def _run(self, command: str) -> str:
        if command.startswith("cd "):
            target = normpath(join(self._cwd, command[3:].strip()))
            ran = self._shell.run(["/bin/bash", "-c", f"cd {quote(target)}"])
            if ran.code == 0:
                self._cwd = target
        else:
            try:
                argv = split(f'/bin/bash -c "{command}"')
            except ValueError:
                return MALFORMED
            ran = self._shell.run(argv, cwd=self._cwd)
        if ran.timed_out:
            return TIMED_OUT
        try:
            return (ran.output or b"").decode()
        except UnicodeDecodeError:
            return MALFORMED
