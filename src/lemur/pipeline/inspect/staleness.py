"""Why stages are stale and what the next build does with them: DVC's comparison, with the values that DVC omits."""

import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.stage.cache import _get_cache_hash
from dvc.stage.serialize import to_single_stage_lockfile
from dvc_data.hashfile.build import build

from lemur.pipeline.artifacts.values import changes, join_names, pair, short
from lemur.pipeline.build.dag import Dag

NEVER_BUILT = "never built: dvc.lock has no entry for it"
OUTPUTS_LOST = "its outputs are neither here nor in the cache (`lemur pull` fetches them where they were shared)"


class Fate(Enum):
    """What the next build does with a stage, as far as this can be known in advance."""

    CURRENT = "up to date"
    SPARED = "will not run: its inputs come out as recorded"
    CHECKED_OUT = "will not run: its outputs will be restored from the cache"
    RUN_CACHE = "will not run: the run cache has its outputs for these inputs"
    RUNS = "will run"
    WAITS = "will run only if an input comes out different"
    STUCK = "cannot run: an input is missing and no stage makes it, or a parameter is missing"


@dataclass(frozen=True)
class Staleness:
    causes: tuple[str, ...]
    follows: tuple[str, ...]
    fate: Fate


class Stale:
    """The staleness of every stage in a checkout: its causes, the stale stages it follows, its fate."""

    def __init__(self, dag: Dag) -> None:
        self._dag = dag
        changed = dag.changed()
        self._lock = Lockfile(dag.repo, str(Path(dag.repo.root_dir) / "dvc.lock")).load().get("stages", {})
        self._loaded = {stage.addressing: stage for stage in dag.repo.index.stages if stage.cmd}
        self.stages: dict[str, Staleness] = {}
        self._expected: dict[str, Any] = {}
        for name in dag.order():
            causes = tuple(self._causes(name)) if name in changed else ()
            sources = {dag.producer(path) for path in dag.stages[name].inputs} - {None}
            follows = {source for source in sources if source and self.stages[source].fate is not Fate.CURRENT}
            fate = self._predict(name) if causes or follows else Fate.CURRENT
            self.stages[name] = Staleness(causes, tuple(sorted(follows)), fate)

    def roots(self, name: str) -> list[str]:
        """The changed stages that an unchanged stage follows, in graph order."""
        return [other for other in self.stages if self.stages[other].causes and name in self._dag.descendants([other])]

    def _causes(self, name: str) -> list[str]:
        stage = self._loaded[name]
        if not any(item.hash_info for item in [*stage.deps, *stage.outs]):
            return [NEVER_BUILT]
        causes = [f"command    {pair(self._lock[name]['cmd'], stage.cmd)}"] if stage.cmd_changed else []
        for dep in stage.deps:
            if dep.status():
                causes += self._params(dep) if isinstance(dep, ParamsDependency) else self._dep(dep)
        outputs = [(out, out.status().get(str(out))) for out in stage.outs]
        if all(not out.exists and status == "not in cache" for out, status in outputs):
            return [*causes, OUTPUTS_LOST]
        return causes + [self._out(out, status) for out, status in outputs if status]

    def _params(self, dep: Any) -> list[str]:
        if not dep.exists:
            return [f"parameters {dep.def_path} is missing"]
        recorded = dep.hash_info.value if dep.hash_info else {}
        return [f"parameter  {dep.def_path}: {change}" for change in changes(recorded, dep.read_params())]

    def _dep(self, dep: Any) -> list[str]:
        path = dep.def_path
        producer = self._dag.producer(path)
        if not dep.exists and producer:
            return []  # Its producer is stale for this reason, and this stage follows the producer.
        kind = "input     " if producer else "module    " if path.startswith("src/") else "file      "
        if not dep.exists:
            return [f"{kind} {path} is missing ({short(dep.hash_info)} recorded)"]
        if not dep.hash_info:
            return [f"{kind} {path} is new among its deps in dvc.yaml"]
        origin = f"written by {producer}" if producer else self._edit(path)
        return [f"{kind} {path} {short(dep.hash_info)} -> {short(dep.get_hash())} ({origin})"]

    def _out(self, out: Any, status: str) -> str:
        path, recorded = out.def_path, short(out.hash_info)
        if status == "not in cache":
            if absent := _absent(out):
                state = f"lacks {join_names(absent)}, which the cache lacks too"
                return f"output     {path} {state} ({recorded} recorded)"
            state = "is missing, also from the cache" if not out.exists else "exists, but not in the cache"
            return f"output     {path} {state} ({recorded} recorded)"
        if status == "deleted":
            return f"output     {path} is missing ({recorded} recorded; the cache has it)"
        if not out.hash_info:
            return f"output     {path} is new among its outs in dvc.yaml"
        return f"output     {path} was altered after it was built: {recorded} -> {short(out.get_hash())}{_inside(out)}"

    def _edit(self, path: str) -> str:
        """What changed a file or folder of the repository: an edit or a commit, and in which files."""
        edited = [line[3:] for line in self._git("status", "--porcelain", "--", path).splitlines()]
        recorded = self._git("log", "-1", "--format=%H", "--", "dvc.lock")
        since = self._git("diff", "--name-only", recorded, "--", path).splitlines() if recorded else []
        files = sorted({*edited, *since} - {path})
        commit = self._git("log", "-1", "--format=%h %s", "--", path)
        origin = "edited, not committed" if edited else f"commit {commit:.50}"
        return f"{origin}: {join_names(files)}" if files else origin

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self._dag.repo.root_dir), "-c", "core.quotepath=off", *arguments]
        return subprocess.run(
            command, capture_output=True, check=False, encoding="utf-8", errors="replace"
        ).stdout.rstrip("\n")

    def _predict(self, name: str) -> Fate:
        """A stage's fate; stores what each of its outputs will contain, None if only running the stage can tell."""
        stage = self._loaded[name]
        fate, outputs = self._fate(stage)
        for out in stage.outs:
            self._expected[out.def_path] = outputs.get(out.def_path)
        return fate

    def _fate(self, stage: Any) -> tuple[Fate, dict[str, Any]]:
        same, inputs_known = not stage.cmd_changed, True
        for dep in stage.deps:
            before = dep.hash_info
            if dep.def_path not in self._expected:
                try:
                    dep.save()  # In memory only: DVC derives its key for the run cache from it.
                except (DvcException, FileNotFoundError):
                    return Fate.STUCK, {}
            elif expected := self._expected[dep.def_path]:
                dep.hash_info, dep.meta = expected.hash_info, expected.meta
            else:
                inputs_known = False
            same &= dep.hash_info == before
        if same and all(out.hash_info for out in stage.outs) and stage.outs_cached():
            recorded = {out.def_path: out for out in stage.outs}
            if not inputs_known:
                return Fate.WAITS, {}
            return (Fate.CHECKED_OUT if any(out.status() for out in stage.outs) else Fate.SPARED), recorded
        if not inputs_known:
            return Fate.RUNS, {}
        cached = self._run_cache_outputs(stage)
        return (Fate.RUN_CACHE, cached) if cached else (Fate.RUNS, {})

    def _run_cache_outputs(self, stage: Any) -> dict[str, Any]:
        """A stage's outputs from its last run with these inputs, as DVC's run cache would restore them."""
        cache = self._dag.repo.stage_cache
        key = _get_cache_hash(to_single_stage_lockfile(stage), key=True)
        runs = sorted(Path(cache._get_cache_dir(key)).glob("*"), key=lambda path: path.stat().st_mtime)
        entry = cache._load_cache(key, runs[-1].name) if runs else None
        built = cache._create_stage(entry, wdir=stage.wdir) if entry else None
        return {out.def_path: out for out in built.outs} if built and built.outs_cached() else {}


def _absent(out: Any) -> list[str]:
    """Recorded files that a folder lacks, if the cache still has the list of its files."""
    recorded = out.get_obj() if out.hash_info.isdir and out.isdir() else None
    names = ["/".join(key) for key, _, _ in recorded] if recorded is not None else []
    return sorted(name for name in names if not (Path(out.fs_path) / name).exists())


def _inside(out: Any) -> str:
    """Files of a folder that differ from the recorded ones, if the cache still has the list of its files."""
    recorded = out.get_obj() if out.hash_info.isdir and out.isdir() else None
    if recorded is None:
        return ""
    current: Any = build(out.cache, out.fs_path, out.fs, out.hash_name, ignore=out.dvcignore)[2]
    old, new = ({"/".join(key): hash_info for key, _, hash_info in tree} for tree in (recorded, current))
    return f" ({join_names(sorted(path for path in old | new if old.get(path) != new.get(path)))})"
