"""dvc.yaml as the Snakefile needs it: one rule per stage, and which stages have to run according to DVC."""

import getpass
import os
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from dvc.dependency import param as params_file
from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo

from lemur.core.files import ROOT
from lemur.pipeline.artifacts import integrity
from lemur.pipeline.build import locks


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml: `name` is DVC's address, paths are relative to the root, directories end in a slash.

    `workers`: how many processes it can use, given enough cores. `lasts`: about how many other stages take as long.
    """

    name: str
    desc: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    threads: int
    mem_mb: int
    workers: int = 1
    lasts: int = 1

    @property
    def rule(self) -> str:
        """The rule's name. Snakemake does not allow `@`, so `fetch@stack` becomes `fetch_stack`."""
        return self.name.replace("@", "_").replace("-", "_")


class Dag:
    """The stages of dvc.yaml, as DVC itself reads them.

    `in_job`: for a job of a running build, which does not wait for DVC's lock: of many that start at once on a cluster,
    the last in line would wait for longer than `locks.WAIT_S`. Only jobs write dvc.lock then, and they replace it.
    """

    def __init__(self, root: Path = ROOT, *, in_job: bool = False) -> None:
        self.root = root
        self.repo = locks.retry_while_locked(lambda: _load_repo(root, in_job), root)
        loaded = [stage for stage in self.repo.index.stages if stage.cmd]
        self.stages = {stage.addressing: _stage(stage) for stage in loaded}
        self._producer = {out.rstrip("/"): stage.name for stage in self.stages.values() for out in stage.outputs}
        self._followers: dict[str, set[str]] = {name: set() for name in self.stages}
        for stage in self.stages.values():
            for path in stage.inputs:
                if producer := self.producer(path):
                    self._followers[producer].add(stage.name)

    def changed(self) -> set[str]:
        """Stages that changed according to DVC: a dep, a param, the command, or a missing or altered output."""
        return set(self.changes())

    def changes(self) -> dict[str, list[Any]]:
        """DVC's changes, by stage.

        Raises `SystemExit` that names the holder if DVC's lock stays held.
        """
        # Always, not only when this process has to wait: the stages it starts do not wait for a lock, they fail.
        locks.remove_dead_holders(self.root)
        integrity.drop_dangling(self.repo)
        status = locks.retry_while_locked(self._status, self.root)
        integrity.drop_damaged(self.repo, modified_outputs(status))
        return {name: entry for name, entry in status.items() if name in self.stages}

    def _status(self) -> dict[str, Any]:
        """The result of `dvc status` in half the time: DVC parses params.yaml twice for every stage."""
        load_path = params_file.load_path
        params_file.load_path = cache(load_path)
        try:
            with self.repo.lock:
                return {
                    name: changes
                    for stage in self.repo.index.stages
                    for name, changes in stage.status(check_updates=True).items()
                }
        finally:
            params_file.load_path = load_path

    def descendants(self, names: Iterable[str]) -> set[str]:
        """These stages and all that depend on them."""
        reached = set(names)
        queue = list(reached)
        while queue:
            for follower in self._followers[queue.pop()] - reached:
                reached.add(follower)
                queue.append(follower)
        return reached

    def priority(self, name: str) -> int:
        """How long the longest chain lasts that waits for this stage: the longest chain should start first."""
        followers = self._followers[name]
        return max((self.stages[follower].lasts + self.priority(follower) for follower in followers), default=0)

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


def with_lost_outputs(changes: dict[str, list[Any]]) -> set[str]:
    """Stages with an output that is missing or is not what the stage wrote."""
    parts = [(name, part) for name, entry in changes.items() for part in entry if isinstance(part, dict)]
    return {name for name, part in parts if "changed outs" in part}


def modified_outputs(status: dict[str, Any]) -> set[str]:
    """Paths of the existing outputs that are not what the stage wrote, from the result of `dvc status`."""
    changes = [change for entry in status.values() for change in entry if isinstance(change, dict)]
    return {path for change in changes for path, kind in change.get("changed outs", {}).items() if kind == "modified"}


def _load_repo(root: Path, in_job: bool) -> Repo:
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())  # DVC needs a user name, which a container's user may not have
    repo = Repo(str(root))
    # DVC reads dvc.lock without taking its lock, and writes it non-atomically: see `locks.repair_dvc_lock`.
    with nullcontext() if in_job else repo.lock:
        if locks.is_truncated(root):
            locks.repair_dvc_lock(root)
        try:
            repo.index  # noqa: B018 - a cached property, which reads dvc.lock
        except DvcException:
            if not locks.repair_dvc_lock(root):
                raise
            repo = Repo(str(root))
            repo.index  # noqa: B018
    return repo


def _stage(stage: Any) -> Stage:
    meta = stage.meta or {}
    return Stage(
        name=stage.addressing,
        desc=stage.desc or stage.addressing,
        inputs=tuple(dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)),
        outputs=tuple(out.def_path for out in stage.outs),
        threads=meta.get("threads", 1),
        mem_mb=meta.get("mem_mb", 1000),
        workers=meta.get("workers", 1),
        lasts=meta.get("lasts", 1),
    )
