"""The Snakefile's rules: their inputs make Snakemake plan exactly the stages that have to run according to DVC."""

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
from lemur.pipeline.build.dag import Dag, Stage, with_lost_outputs
from lemur.pipeline.build.locks import hold_build
from lemur.pipeline.build.snakemake_report import FOLDER, in_report
from lemur.pipeline.build.validation import check_environment, validate_all

MARKERS = Path(".lemur/changed")
FORCED = "force "


class Rules:
    """The stages of dvc.yaml as rules of one Snakemake workflow.

    Snakemake never judges staleness itself. A rule's inputs are `ancient`, except those that a planned rule will
    rebuild. A planned rule also has a marker file as input, whose content is new at every parse (constant content would
    have an unchanged checksum). The marker also tells a job on another machine whether its rule is forced and how many
    threads were requested for it.
    """

    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow
        # Use this environment's `dvc` and `python` even if it was not activated.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        if workflow.is_main_process:
            dag = read_yaml(DAG)
            validate_all(dag)
            check_environment(dag)
            if not workflow.output_settings.dryrun:
                hold_build(ROOT)
        # A job on another machine parses the Snakefile too; the process that submitted it decided what it runs.
        self._dag = Dag(in_job=not workflow.is_main_process)
        changes = self._dag.changes() if workflow.is_main_process else {}
        self._changed = set(changes)
        if workflow.is_main_process and not workflow.output_settings.dryrun:
            lock = ROOT / "dvc.lock"
            before = lock.read_text(encoding="utf-8") if lock.exists() else ""
            # Snakemake skips `onsuccess` and `onerror` when there is nothing to do.
            atexit.register(self._print_summary, with_lost_outputs(changes), before)

    def stages(self) -> list[Stage]:
        return list(self._dag.stages.values())

    def outputs(self) -> list[str]:
        return [path.rstrip("/") for stage in self.stages() for path in stage.outputs]

    def directories(self, stage: Stage, directory: Callable[[str], Any]) -> list[Any]:
        """The outputs with Snakemake's flags: which are folders, and what `snakemake --report` shows."""
        outputs = []
        for path in stage.outputs:
            output = directory(path.rstrip("/")) if path.endswith("/") else path
            outputs.append(in_report(output) if path == FOLDER else output)
        return outputs

    def priority(self, stage: Stage) -> int:
        return self._dag.priority(stage.name)

    def threads(self, stage: Stage) -> int:
        """A stage with workers gets half of the cores, so that it never has to wait until all other stages end.

        On two or three cores that is one, as for any other stage. On a cluster, which sets no number of cores, it gets
        the `threads` of dvc.yaml; `--set-threads` gives it more. A job there may see more cores than were requested.
        """
        if not self._workflow.is_main_process:
            marker = _read(MARKERS / stage.rule).split()
            return int(marker[-1]) if marker else stage.threads
        cores = self._workflow.resource_settings.cores or 1
        return max(stage.threads, min(stage.workers, cores // 2))

    def inputs(self, stage: Stage) -> Callable[[Any], list[Any]]:
        """An input function, because `--forcerun` and similar options are not known while the Snakefile is parsed."""

        def paths(_wildcards: Any) -> list[Any]:
            if stage.name not in self._planned:
                return [ancient(path.rstrip("/")) for path in stage.inputs]
            return [
                path.rstrip("/") if self._dag.producer(path) in self._planned else ancient(path.rstrip("/"))
                for path in stage.inputs
            ] + [str(MARKERS / stage.rule)]

        return paths

    def options(self, stage: Stage) -> Callable[[Any], str]:
        """`dvc repro`'s options for a stage. A forced stage needs `--force`: DVC silently skips an unchanged one."""
        item = f"--single-item {stage.name}"
        return lambda _wildcards: f"--force {item}" if stage.name in self._forced else item

    @cached_property
    def _forced(self) -> set[str]:
        settings = self._workflow.dag_settings
        if not self._workflow.is_main_process:
            return {stage.name for stage in self.stages() if _read(MARKERS / stage.rule).startswith(FORCED)}
        if settings.forceall:
            return set(self._dag.stages)
        forced = {str(name).rstrip("/") for name in settings.forcerun}
        if settings.forcetargets:
            forced |= {str(name).rstrip("/") for name in settings.targets}
        return {
            stage.name
            for stage in self.stages()
            if stage.rule in forced or forced & {path.rstrip("/") for path in stage.outputs}
        }

    @cached_property
    def _planned(self) -> set[str]:
        planned = self._dag.descendants(self._changed | self._forced)
        if not self._workflow.is_main_process:
            return planned  # and leave the markers alone, which other jobs may be reading
        # Write all markers now: Snakemake lists the folder once and assumes that nothing appears in it later.
        MARKERS.mkdir(parents=True, exist_ok=True)
        for name in planned:
            forced = FORCED if name in self._forced else ""
            stage = self._dag.stages[name]
            marker = f"{forced}{uuid.uuid4().hex} {self.threads(stage)}\n"
            (MARKERS / stage.rule).write_text(marker, encoding="utf-8")
        return planned

    def _print_summary(self, lost: set[str], before: str) -> None:
        workflow = self._workflow
        # Without planned jobs there is no scheduler: `--list`, `--dag` and others, whose output a program may parse.
        if workflow.scheduler is None or workflow.touch or Quietness.ALL in (workflow.output_settings.quiet or ()):
            return
        stages = {stage.rule: stage for stage in self.stages()}
        print("", *summary(workflow, stages, lost, before, ROOT), sep="\n", file=sys.stderr)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
