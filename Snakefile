# One rule per stage of dvc.yaml, which is the only definition of the DAG. DVC decides by content whether a stage has to
# run, and records the result; Snakemake decides when and where it runs. See docs/design.md.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from lemur.core.environment_variables import enter

enter()

from lemur.pipeline.build.rules import Rules

rules_of = Rules(workflow)


rule all:
    default_target: True
    input:
        rules_of.outputs(),
    message:
        "Every artifact is built"


for stage in rules_of.stages():

    rule:
        name:
            stage.rule
        input:
            rules_of.inputs(stage),
        output:
            rules_of.directories(stage, directory),
        log:
            f"logs/{stage.rule}.log",
        # The longest chain first, because it determines the length of the build.
        priority: rules_of.priority(stage)
        threads: rules_of.threads(stage)
        resources:
            mem_mb=stage.mem_mb,
        params:
            stage=rules_of.options(stage),
        message:
            f"{stage.desc} [{stage.name}]"
        # `exec` and `setpriv` end the job with the snakemake that started it, even if that is killed; `$$` becomes
        # the process of `dvc`, and the stage ends with it. `dvc_job` is a faster `dvc`.
        shell:
            "PYTHONPATH=src LEMUR_JOB=$$ LEMUR_WORKERS={threads} exec setpriv --pdeathsig TERM "
            "python -m lemur.pipeline.build.dvc_job --wait-for-lock repro {params.stage} >{log} 2>&1"
