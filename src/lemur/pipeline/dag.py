"""dvc.yaml as the Snakefile needs it: one rule a stage, and which of them DVC says have to run."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import psutil
from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError, _edit_rwlock

from lemur.pipeline.dependencies import stage_of
from lemur.pipeline.files import ROOT

LOCK_WAIT_S = 60


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml: `name` is DVC's address, paths are relative to the root, directories end in a slash."""

    name: str
    desc: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    threads: int
    mem_mb: int
    accelerator: str

    @property
    def rule(self) -> str:
        """The rule's name: Snakemake takes no `@`, so `fetch@stack` is `fetch_stack`."""
        return self.name.replace("@", "_").replace("-", "_")


class Dag:
    """The stages, in DVC's own reading of dvc.yaml."""

    def __init__(self, root: Path = ROOT) -> None:
        self.repo = Repo(str(root))
        loaded = [stage for stage in self.repo.index.stages if stage.cmd]
        self.stages = {stage.addressing: _stage(stage) for stage in loaded}
        self._producer = {out.rstrip("/"): stage.name for stage in self.stages.values() for out in stage.outputs}
        self._followers: dict[str, set[str]] = {name: set() for name in self.stages}
        for stage in self.stages.values():
            for path in stage.inputs:
                if producer := self.producer(path):
                    self._followers[producer].add(stage.name)

    def changed(self) -> set[str]:
        """Stages that DVC finds changed: a dep, a param, the command, or a missing or other output.

        Raises `SystemExit` that says who holds DVC's lock if it stays held.
        """
        for attempt in range(LOCK_WAIT_S):
            try:
                return {name for name in self.repo.status() if name in self.stages}
            except (LockError, RWLockFileCorruptedError, RWLockFileFormatError) as error:
                if not attempt:
                    print(f"Waiting for another build: {error}", flush=True)
                if attempt == LOCK_WAIT_S - 1:
                    raise SystemExit(f"Another build still holds DVC's lock after {LOCK_WAIT_S} s: {error}") from None
                time.sleep(attempt > 0)
                self._forget_zombies()
                self.repo = Repo(str(self.repo.root_dir))
            except DvcException as error:
                raise SystemExit(f"dvc status: {error}") from None
        raise AssertionError("not reached")

    def _forget_zombies(self) -> None:
        """Take processes that have ended out of DVC's lock file, which keeps them as long as their number is in use.

        A killed `dvc` that nobody has reaped is still listed; in a container without an init, for ever.
        """
        hardlink = self.repo.config["core"].get("hardlink_lock", False)
        with suppress(DvcException), _edit_rwlock(self.repo.tmp_dir, self.repo.fs, hardlink) as lock:
            lock["write"] = {path: info for path, info in lock["write"].items() if not _is_zombie(info)}
            lock["read"] = {
                path: [info for info in infos if not _is_zombie(info)] for path, infos in lock["read"].items()
            }

    def descendants(self, names: Iterable[str]) -> set[str]:
        """These stages and all that depend on them."""
        found = set(names)
        waiting = list(found)
        while waiting:
            for follower in self._followers[waiting.pop()] - found:
                found.add(follower)
                waiting.append(follower)
        return found

    def priority(self, name: str) -> int:
        """How many stages the longest chain has that waits for this one: what takes longest should start first."""
        return max((1 + self.priority(follower) for follower in self._followers[name]), default=0)

    def order(self) -> list[str]:
        """All stages, each after those that write its inputs."""
        sorter = {
            stage.name: [producer for path in stage.inputs if (producer := self.producer(path))]
            for stage in self.stages.values()
        }
        return list(TopologicalSorter(sorter).static_order())

    def producer(self, path: str) -> str | None:
        """The stage that writes a path, or None for a file of the repository."""
        return self._producer.get(path.rstrip("/"))


def _is_zombie(info: dict[str, Any]) -> bool:
    try:
        return bool(psutil.Process(int(info["pid"])).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _stage(stage: Any) -> Stage:
    meta = stage.meta or {}
    return Stage(
        name=stage.addressing,
        desc=stage.desc or stage.addressing,
        inputs=tuple(dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)),
        outputs=tuple(out.def_path for out in stage.outs),
        threads=meta.get("threads", 1),
        mem_mb=meta.get("mem_mb", 1000),
        accelerator=meta.get("accelerator", ""),
    )


def param_blocks(dag: dict[str, Any]) -> dict[str, str]:
    """Blocks of params.yaml that stages of dvc.yaml read, by dotted key, with the stage's `FOLDER.STAGE`."""
    blocks = {}
    for stage in dag["stages"].values():
        [axis] = stage.get("matrix", {"": [""]}).items()
        for item in axis[1]:
            for key in stage["params"]:
                if isinstance(key, str):
                    blocks[key.replace(f"${{item.{axis[0]}}}", str(item))] = stage_of(stage["cmd"])
    return blocks
