"""`lemur answers [STAGE...]`: which evaluations ask their model when they run next, which only score again."""

import inspect
import logging
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lemur.core.files import DAG, PARAMS, read_yaml
from lemur.core.numerics import apply_profile
from lemur.core.parameter_blocks import bindings, stage_of
from lemur.core.params import StageParams
from lemur.pipeline.artifacts.values import join_names
from lemur.pipeline.build.dag import Dag
from lemur.pipeline.build.validation import stage_module, stage_params
from lemur.pipeline.inspect.staleness import Fate, Stale
from lemur.pipeline.inspect.why import find_stages

REUSED = {Fate.CURRENT, Fate.SPARED, Fate.CHECKED_OUT, Fate.RUN_CACHE}


@dataclass(frozen=True)
class Evaluation:
    """A stage that asks a model: its module has `task`, or a `rehearse` of its own with the stage's inputs."""

    name: str
    module: ModuleType
    params: StageParams
    paths: dict[str, Path]

    def _call(self, function: Any) -> Any:
        names = list(inspect.signature(function).parameters)[1:]
        return function(self.params, **{name: self.paths[name] for name in names})

    def outlook(self) -> Any:
        """The `Outlook` of the stage, if it ran now."""
        from lemur.evaluation.harness.run import rehearse

        if own := getattr(self.module, "rehearse", None):
            return self._call(own)
        return rehearse(self._call(self.module.task), self.paths["model"])


def answers(requested: list[str], root: Path) -> list[str]:
    """A line for each requested evaluation, or for each that runs again: `reuse`, `regrade`, `rerun`, `skipped`, or
    `later` if an input has to be built first."""
    apply_profile()
    logging.disable(logging.WARNING)
    dag = Dag(root)
    stale = Stale(dag)
    found = {evaluation.name: evaluation for evaluation in evaluations(dag)}
    names = {name for word in requested for name in find_stages(dag, word)} & set(found) if requested else set(found)
    if not names:
        raise SystemExit(f"{join_names(requested)}: no evaluation; evaluations are {join_names(list(found), 99)}")
    same = [name for name in found if name in names and stale.stages[name].fate in REUSED]
    lines = [_line("reuse", join_names(same, 99 if requested else 3), "nothing changed")] if same else []
    return lines + [_outlook(dag, stale, found[name]) for name in found if name in names and name not in same]


def prune(root: Path) -> list[str]:
    """Remove the answers of models, back ends and code that no evaluation of this checkout uses any more."""
    from lemur.inference.answers import files as answer_files

    apply_profile()
    keep = []
    for evaluation in evaluations(Dag(root)):
        if not evaluation.paths["model"].is_dir():
            model = evaluation.paths["model"]
            raise SystemExit(f"{model} is missing, so its answers cannot be told from others: dvc checkout {model}")
        if path := evaluation.outlook().path:
            keep.append(path)
    return [f"{answer_files.prune(keep) / 1e6:.1f} MB removed"]


def evaluations(dag: Dag) -> Iterator[Evaluation]:
    """The stages of dvc.yaml that ask a model, in its order."""
    tree, entries = read_yaml(PARAMS), read_yaml(DAG)
    for stage in dag.repo.index.stages:
        if not stage.cmd or not stage_of(stage.cmd).startswith(("evaluation.", "agents.")):
            continue
        dotted, words = stage_of(stage.cmd), shlex.split(stage.cmd)
        module = stage_module(dotted)
        if hasattr(module, "task") or hasattr(module, "rehearse"):
            key = words[words.index("--params") + 1] if "--params" in words else dotted.rpartition(".")[2]
            paths = {name: Path(path) for name, path in bindings(stage.cmd).items()}
            yield Evaluation(stage.addressing, module, stage_params(module, key, tree, entries), paths)


def _outlook(dag: Dag, stale: Stale, evaluation: Evaluation) -> str:
    stage = stale.stages[evaluation.name]
    if stage.fate is Fate.STUCK:
        return _line("stuck", evaluation.name, Fate.STUCK.value)
    unsettled = [name for name in stage.follows if stale.stages[name].fate is not Fate.SPARED]
    if unsettled:
        inputs = [path for path in dag.stages[evaluation.name].inputs if dag.producer(path) in unsettled]
        return _line("later", evaluation.name, f"known when {join_names(inputs)} is built")
    outlook = evaluation.outlook()
    return _line(outlook.verdict, evaluation.name, outlook.explanation)


def _line(verdict: str, name: str, explanation: str) -> str:
    return f"{verdict:8} {name}: {explanation}"
