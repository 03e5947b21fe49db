"""What the Snakefile needs of each rule: inputs that make Snakemake plan exactly what DVC says has to run."""

import atexit
import os
import sys
import uuid
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from snakemake.io import ancient
from snakemake.settings.enums import Quietness

from lemur.core.files import DAG, ROOT, read_yaml
from lemur.pipeline.build.build_summary import summary
from lemur.pipeline.build.dag import Dag, Stage, without_outputs
from lemur.pipeline.build.locks import hold_build
from lemur.pipeline.build.validation import check_environment, validate_all

MARKERS = Path(".lemur/changed")
FORCED = "force "


class Rules:
    """The stages of dvc.yaml as rules of one Snakemake workflow.

    Snakemake never judges staleness: a rule takes inputs as `ancient`, save those that a planned rule makes anew, and
    one that is planned takes a marker file more, whose content is new at every parse (a constant one would pass as
    unchanged by its checksum). The marker of a forced one says so, also to a job on another machine.
    """

    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow
        # `dvc` and `python` are this environment's, also where it was not activated.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        if workflow.is_main_process:
            dag = read_yaml(DAG)
            validate_all(dag)
            check_environment(dag)
            if not workflow.output_settings.dryrun:
                hold_build(ROOT)
        self._dag = Dag()
        # A job on another machine parses the Snakefile too; what it runs was decided by the process that sent it.
        changes = self._dag.changes() if workflow.is_main_process else {}
        self._changed = set(changes)
        if workflow.is_main_process and not workflow.output_settings.dryrun:
            lock = ROOT / "dvc.lock"
            before = lock.read_text(encoding="utf-8") if lock.exists() else ""
            # Not in `onsuccess` and `onerror`, which Snakemake leaves out where it finds nothing to do.
            atexit.register(self._say_how_it_ended, without_outputs(changes), before)

    def stages(self) -> list[Stage]:
        return list(self._dag.stages.values())

    def outputs(self) -> list[str]:
        return [path.rstrip("/") for stage in self.stages() for path in stage.outputs]

    def directories(self, stage: Stage, directory: Callable[[str], Any]) -> list[Any]:
        return [directory(path.rstrip("/")) if path.endswith("/") else path for path in stage.outputs]

    def priority(self, stage: Stage) -> int:
        return self._dag.priority(stage.name)

    def threads(self, stage: Stage) -> int:
        """Half of the cores for a stage of workers, so that it never waits till all others have ended.

        So on two or three cores it takes one, as every other. On a cluster, where no number of cores is given, it takes
        what dvc.yaml says; `--set-threads` gives it more.
        """
        cores = self._workflow.resource_settings.cores or 1
        return max(stage.threads, min(stage.workers, cores // 2))

    def inputs(self, stage: Stage) -> Callable[[Any], list[Any]]:
        """An input function, since `--forcerun` and its like are not yet known while the Snakefile is parsed."""

        def paths(_wildcards: Any) -> list[Any]:
            if stage.name not in self._planned:
                return [ancient(path.rstrip("/")) for path in stage.inputs]
            return [
                path.rstrip("/") if self._dag.producer(path) in self._planned else ancient(path.rstrip("/"))
                for path in stage.inputs
            ] + [str(MARKERS / stage.rule)]

        return paths

    def options(self, stage: Stage) -> Callable[[Any], str]:
        """`dvc repro`'s options for a stage; it skips an unchanged one without a word unless told to force it too."""
        item = f"--single-item {stage.name}"
        return lambda _wildcards: f"--force {item}" if stage.name in self._forced else item

    @cached_property
    def _forced(self) -> set[str]:
        settings = self._workflow.dag_settings
        if not self._workflow.is_main_process:
            return {stage.name for stage in self.stages() if _read(MARKERS / stage.rule).startswith(FORCED)}
        if settings.forceall:
            return set(self._dag.stages)
        asked = {str(name).rstrip("/") for name in settings.forcerun}
        if settings.forcetargets:
            asked |= {str(name).rstrip("/") for name in settings.targets}
        return {
            stage.name
            for stage in self.stages()
            if stage.rule in asked or asked & {path.rstrip("/") for path in stage.outputs}
        }

    @cached_property
    def _planned(self) -> set[str]:
        planned = self._dag.descendants(self._changed | self._forced)
        # All at once: Snakemake looks into the folder once and believes that nothing appears in it later.
        MARKERS.mkdir(parents=True, exist_ok=True)
        for name in planned:
            forced = FORCED if name in self._forced else ""
            (MARKERS / self._dag.stages[name].rule).write_text(f"{forced}{uuid.uuid4().hex}\n", encoding="utf-8")
        return planned

    def _say_how_it_ended(self, lost: set[str], before: str) -> None:
        workflow = self._workflow
        # There is a scheduler once jobs were planned: not for `--list`, `--dag` and their like, whose output is read.
        if workflow.scheduler is None or workflow.touch or Quietness.ALL in (workflow.output_settings.quiet or ()):
            return
        stages = {stage.rule: stage for stage in self.stages()}
        print("", *summary(workflow, stages, lost, before, ROOT), sep="\n", file=sys.stderr)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
