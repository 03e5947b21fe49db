"""An episode of IC-Bash: a shell for the agent, another for the gold command, and the reward after each command."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath

from lemur.agents.episodes.environment import Action
from lemur.agents.intercode.bash.file_systems import FileSystem
from lemur.agents.intercode.bash.rewards import changes, parts
from lemur.agents.intercode.bash.shell import Ran, Shell
from lemur.agents.intercode.game import Machine, Outcome
from lemur.agents.intercode.published import Turn
from lemur.benchmark_items.intercode import Task
from lemur.sandbox.resident import Died

TIMED_OUT, MALFORMED, GONE = "Command timed out", "Malformed command", "The system stopped and started again"
BASH = "/bin/bash"
NO_PROGRAM = b"executable file not found in $PATH"
"""What stands for the checksum of a folder: md5deep is not in the image, so all folders are equal."""


@dataclass(frozen=True)
class Place:
    """Where Bash episodes run: a root folder, or `None` for this machine's programs."""

    root: Path | None


class BashMachine:
    """`lemur.agents.intercode.game.Machine`. `strict`: commands reach Bash as they are. In the original they pass
    through another parser of quotes first."""

    def __init__(self, place: Place, system: FileSystem, task: Task, *, strict: bool) -> None:
        self._place, self._system, self._strict = place, system, strict
        self._shell = Shell(place.root, system.tree)
        self._cwd = "/"
        self._gold = Shell(place.root, system.tree)
        self.expected = self._decoded(self._bash(self._gold, task.gold, "/"))
        self._status = _status(self._gold)

    def act(self, action: Action) -> Outcome:
        try:
            output = self._run(action.text)
            status = _status(self._shell)
            reward = self._reward(output, status)
            right = reward == 1 or self._strict
            return Outcome(output, reward, right and self._right(output))
        except Died:
            self._shell.close()
            self._shell, self._cwd = Shell(self._place.root, self._system.tree), "/"
            return Outcome(GONE, 0.01, False)

    def close(self) -> None:
        self._shell.close()
        self._gold.close()

    def _run(self, command: str) -> str:
        cwd = None
        if command.startswith("cd"):
            if "cd " not in command:
                return MALFORMED if not self._strict or command != "cd" else self._change("/root")
            cwd = normpath(f"{self._cwd}/{target}") if (target := command.partition("cd ")[2].strip()) else self._cwd
            cwd = normpath(target) if target.startswith("/") else cwd
            command = f"cd {cwd}"
        ran = self._bash(self._shell, command, "/" if cwd else self._cwd)
        if cwd and ran is not None and ran.code == 0 and not ran.timed_out:
            self._cwd = cwd
        text = self._decoded(ran)
        return MALFORMED if text is None else text

    def _change(self, folder: str) -> str:
        self._cwd = folder
        return ""

    def _bash(self, shell: Shell, command: str, cwd: str) -> Ran | None:
        """`None`: the quotes do not match, so the original runs nothing."""
        if self._strict:
            return shell.run([BASH, "-c", command], cwd=cwd)
        try:
            argv = shlex.split(f'{BASH} -c "{command.strip()}"')
        except ValueError:
            return None
        return shell.run(argv, cwd=cwd)

    def _decoded(self, ran: Ran | None) -> str | None:
        if ran is None or ran.output is None:
            return None
        if ran.timed_out:
            return TIMED_OUT
        try:
            return ran.output.decode()
        except UnicodeDecodeError:
            return ran.output.decode(errors="replace") if self._strict else None

    def _reward(self, output: str, status: str) -> float:
        ours, theirs = changes(status), changes(self._status)
        if ours is None or theirs is None:
            return 0.0
        return parts(ours, theirs, self._same_content, (output, self.expected)).reward

    def _same_content(self, path: str) -> bool:
        if "." not in path:
            return True
        return self._shell.run(["md5sum", path]).output == self._gold.run(["md5sum", path]).output

    def _right(self, output: str) -> bool:
        """The same words in the same order, the same changes, and the same content of all that changed."""
        if self.expected is None or output.split() != self.expected.split():
            return False
        ours, theirs = (_changed(shell) for shell in (self._shell, self._gold))
        if ours != theirs:
            return False
        paths = [entry[3:] for entry in ours if entry and "D" not in entry[:2]]
        return not paths or len({_contents(shell, paths) for shell in (self._shell, self._gold)}) == 1


def _status(shell: Shell) -> str:
    return (shell.run(["git", "status", "--short"]).output or b"").decode(errors="replace")


def _changed(shell: Shell) -> list[str]:
    argv = ["git", "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"]
    return (shell.run(argv).output or b"").decode(errors="surrogateescape").split("\0")


def _contents(shell: Shell, paths: list[str]) -> bytes:
    names = "\0".join(f"/{path}" for path in paths).encode(errors="surrogateescape")
    ran = shell.run(["xargs", "-0", "stat", "-c", "%n %a %F"], stdin=names)
    sums = shell.run(["xargs", "-0", "md5sum"], stdin=names)
    return (ran.output or b"") + (sums.output or b"")


def difference(turn: Turn, outcome: Outcome, machine: Machine) -> str:
    """Why a published command scores otherwise here (`lemur.agents.intercode.published.replay`)."""
    assert isinstance(machine, BashMachine)
    output = str(outcome.output)
    if "not found" in output or "not found" in turn.output:
        return "a program is missing on one side"
    if output == turn.output:
        return "another result of the gold command"
    if sorted(output.split()) == sorted(turn.output.split()):
        return "the same words in another order"
    return "another output"
