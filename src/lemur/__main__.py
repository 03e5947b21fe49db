"""The command line: `lemur COMMAND`; `lemur COMMAND --help` says what each one does."""

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="lemur", description="Lemur, rebuilt as a DAG of versioned artifacts.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run one stage; this is the command of every stage in dvc.yaml")
    run.add_argument("stage", metavar="FOLDER.STAGE", help="the stage's module below lemur, e.g. corpus.pack_corpus")
    run.add_argument("--params", metavar="BLOCK", help="its block of params.yaml, if not named as the stage")
    run.add_argument("paths", nargs="+", metavar="NAME=PATH", help="inputs and outputs of the stage's function")

    check = commands.add_parser("check", help="validate params.yaml, and that dvc.yaml declares what the code uses")
    check.add_argument("--params-only", action="store_true", help="leave dvc.yaml out")
    check.add_argument(
        "--cache", action="store_true", help="instead, read every file in DVC's cache and take out what is damaged"
    )

    write = commands.add_parser("dependencies", help="code and library versions that each stage depends on")
    write.add_argument("--write", action="store_true", help="write them into dvc.yaml and environment.yaml")

    scale = commands.add_parser(
        "scale", help="show or switch the scale of params.yaml (demo, tiny, mirror, instructions, small, paper)"
    )
    scale.add_argument(
        "name", nargs="?", help="the scale to switch to, or a .yaml file of values to set; without it, all scales"
    )
    scale.add_argument("--dry-run", action="store_true", help="only show what would change")

    pin = commands.add_parser("pin", help="download a source once and write its checksums into its manifest")
    pin.add_argument("source", help="folder name below data/sources")
    pin.add_argument("place", help="hub, mirror, package or bundled")

    why = commands.add_parser("why", help="say why stages are stale, before anything runs, and what will follow")
    why.add_argument("stages", nargs="*", metavar="STAGE", help="stages or outputs; without, all that are stale")

    lineage = commands.add_parser("lineage", help="show what an artifact was made of, down to its sources")
    lineage.add_argument("path", help="an output of dvc.yaml, or a file in one")
    lineage.add_argument("--json", action="store_true", help="everything, for programs")

    verify = commands.add_parser(
        "verify", help="build HEAD from scratch in a temporary clone, and name the first artifact that differs"
    )
    verify.add_argument(
        "--against", default="HEAD", metavar="REV|PATH", help="compare with dvc.lock of a revision or checkout (HEAD)"
    )
    verify.add_argument(
        "--stages", nargs="+", default=[], metavar="STAGE", help="only these, or `data`, and their inputs"
    )
    verify.add_argument("--built", type=Path, metavar="PATH", help="compare an existing build instead of building")
    verify.add_argument("--cores", default="all", help="for Snakemake (all)")

    validate = commands.add_parser(
        "validate",
        help="check token shards and token stores against their manifests",
        description="Reads every record once: sha256 of each shard, counts of records and tokens by source, ids below "
        "the vocabulary's size, segments, positions and padding. Prints one line a sound folder, and what is wrong; "
        "then its status is 1.",
    )
    validate.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="with a manifest.json; without, all that dvc.yaml makes"
    )

    inspect = commands.add_parser(
        "inspect",
        help="print the exact batch of a training's step, with the source of each document",
        description="The batch follows from the shards, the run's seed and batch_size in params.yaml; nothing is "
        "replayed, so any step is as fast as the first. Steps count from 1, as in reports/training/*.csv.",
        epilog="Example: lemur inspect 120 --run continued_pretraining",
    )
    inspect.add_argument("step", type=int, metavar="STEP", help="optimizer step, from 1")
    inspect.add_argument(
        "--run",
        default="continued_pretraining",
        metavar="STAGE",
        help="base_model, continued_pretraining (the default) or instruction_tuning",
    )
    inspect.add_argument("--shards", type=Path, metavar="FOLDER", help="other shards than the run's in dvc.yaml")
    inspect.add_argument(
        "--tokenizer", type=Path, metavar="FOLDER", help="to show text (the run's model, or models/tokenizer)"
    )
    inspect.add_argument("--full", action="store_true", help="whole documents, not their begins and ends")
    inspect.add_argument("--json", action="store_true", help="everything with token ids, for programs")

    plan_data = commands.add_parser(
        "plan-data",
        help="what a scale's corpus takes: bytes, tokens, disk, processor hours, shards and jobs of each source",
        description="Nothing is downloaded or built. Tokens follow from the scale's mixture and Table 8's epochs; the "
        "rest from measured rates and stated assumptions in data/paper/corpus_rates.yaml.",
        epilog="Example: lemur plan-data --scale paper --cores 64 --hours 12",
    )
    plan_data.add_argument(
        "--scale", default="paper", metavar="NAME", help="demo, tiny, mirror, instructions, small, paper (default)"
    )
    plan_data.add_argument("--cores", type=int, default=16, help="of one job (16)")
    plan_data.add_argument("--hours", type=float, default=4.0, help="of one job at most (4)")
    plan_data.add_argument("--rates", type=Path, metavar="FILE", help="rates of your machines, in place of ours")
    plan_data.add_argument("--json", action="store_true", help="for programs")

    remote = commands.add_parser("remote", help="show or set where `dvc pull` and `dvc push` go")
    remote.add_argument("url", nargs="?", help="a folder, ssh://HOST/PATH, s3://BUCKET/PATH or gs://BUCKET/PATH")

    plan = commands.add_parser(
        "plan", help="compile a scale's trainings for a TPU that is not there: what they would take"
    )
    plan.add_argument("scale", metavar="SCALE", help="a scale's name, or a file as those in scales/")
    plan.add_argument("--stage", choices=["continued_pretraining", "instruction_tuning"], help="one of them; else both")
    plan.add_argument("--machine", default="v4-512", help="v4-512 (the paper's, and the default), v4-128 or v4-8")
    plan.add_argument(
        "--mesh", help="data x fsdp x sequence x tensor, as 1x64x1x4; `search` for the best; else the scale's"
    )
    plan.add_argument("--microbatches", type=int, help="parts a batch is computed in; else the scale's")
    plan.add_argument("--layers", type=int, help="fewer than the model has, for a quick look; else all")
    plan.add_argument("--mfu", type=float, default=0.5, help="share of the peak that the time is reckoned with (0.5)")
    plan.add_argument("--compile", type=int, default=4, help="layouts that a search compiles which fit (4)")

    commands.add_parser(
        "pull",
        help="fetch the artifacts of dvc.lock instead of building them",
        description="`dvc pull` from the place that `lemur remote` shows, and what to do where it lacks something "
        "or has it damaged; then its status is 1.",
    )

    commands.add_parser(
        "track",
        help="make the MLflow run of this checkout's artifacts again",
        description="A build does so at its end, in the store that MLFLOW_TRACKING_URI names (mlflow.db in the "
        "checkout).",
    )
    commands.add_parser(
        "ui",
        help="open the MLflow UI on 127.0.0.1:5000",
        description="Shows the runs of this checkout (or of the store that MLFLOW_TRACKING_URI names) until Ctrl-C. "
        "MLFLOW_PORT is another port than 5000.",
    )

    arguments = parser.parse_args()
    handlers = {
        "run": _run,
        "check": _check,
        "dependencies": _dependencies,
        "scale": _scale,
        "pin": _pin,
        "why": _why,
        "verify": _verify,
        "validate": _validate,
        "inspect": _inspect,
        "plan-data": _plan_data,
        "lineage": _lineage,
        "remote": _remote,
        "plan": _plan,
        "pull": _pull,
        "track": _track,
        "ui": _ui,
    }
    handlers[arguments.command](arguments)


def _run(arguments: argparse.Namespace) -> None:
    from lemur.pipeline.build.run import run

    run(arguments.stage, arguments.params, arguments.paths)


def _check(arguments: argparse.Namespace) -> None:
    from lemur.core.files import DAG, read_yaml
    from lemur.pipeline.build.dag import Dag
    from lemur.pipeline.build.validation import check_environment, validate_all

    if arguments.cache:
        from lemur.pipeline.artifacts.integrity import check_cache

        return check_cache(Dag().repo)
    dag = read_yaml(DAG)
    blocks = validate_all(dag)
    check_environment(dag)
    print(f"params.yaml: {blocks} blocks are valid")
    if not arguments.params_only:
        _dependencies(argparse.Namespace(write=False))


def _dependencies(arguments: argparse.Namespace) -> None:
    from lemur.pipeline.build.dependencies import write

    differences = write(check=not arguments.write)
    print("\n".join(differences) or "dvc.yaml and environment.yaml declare what the code uses")
    if differences and not arguments.write:
        raise SystemExit("`lemur dependencies --write` brings them up to date")


def _scale(arguments: argparse.Namespace) -> None:
    from lemur.core.scales import show, switch

    if not arguments.name:
        return show()
    switch(Path(arguments.name) if arguments.name.endswith(".yaml") else arguments.name, arguments.dry_run)


def _pin(arguments: argparse.Namespace) -> None:
    from lemur.sources.pin import pin

    pin(Path("data/sources") / arguments.source, arguments.place)


def _say(text: str) -> None:
    """Print a long answer, of which `lemur lineage ... | head` reads a part."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _why(arguments: argparse.Namespace) -> None:
    from lemur.core.files import ROOT
    from lemur.pipeline.inspect.why import why

    os.chdir(ROOT)  # DVC names stages and paths from the folder one stands in.
    _say("\n".join(why(arguments.stages, ROOT)))


def _lineage(arguments: argparse.Namespace) -> None:
    import json

    from lemur.core.files import ROOT
    from lemur.pipeline.inspect.lineage import lineage
    from lemur.pipeline.inspect.lineage_tree import lines

    path = os.path.relpath(arguments.path, ROOT)
    os.chdir(ROOT)
    found = lineage(path, ROOT)
    _say(json.dumps(found, indent=2, ensure_ascii=False) if arguments.json else "\n".join(lines(found)))


def _verify(arguments: argparse.Namespace) -> None:
    from lemur.core.files import ROOT
    from lemur.pipeline.inspect.verify import verify

    same = verify(ROOT, arguments.against, arguments.built, arguments.stages, arguments.cores)
    raise SystemExit(0 if same else 1)


def _validate(arguments: argparse.Namespace) -> None:
    from lemur.core.files import ROOT
    from lemur.tokens.inspection import validate_folders

    sound, problems = validate_folders(arguments.folders, Path(os.path.relpath(ROOT)))
    print("\n".join([*sound, *problems]))
    raise SystemExit(1 if problems else 0)


def _inspect(arguments: argparse.Namespace) -> None:
    import json

    from lemur.core.files import ROOT
    from lemur.tokens.inspection import inspect_step, lines

    root = Path(os.path.relpath(ROOT))
    batch = inspect_step(
        arguments.step, arguments.run, root=root, shards=arguments.shards, tokenizer=arguments.tokenizer
    )
    _say(json.dumps(batch, indent=2, ensure_ascii=False) if arguments.json else "\n".join(lines(batch, arguments.full)))


def _plan_data(arguments: argparse.Namespace) -> None:
    import json

    from lemur.planning.data_plan import RATES, lines, plan

    found = plan(arguments.scale, cores=arguments.cores, hours=arguments.hours, rates=arguments.rates or RATES)
    _say(json.dumps(found, indent=2) if arguments.json else "\n".join(lines(found)))


def _remote(arguments: argparse.Namespace) -> None:
    from lemur.pipeline.build.remote import remote

    remote(arguments.url)


def _plan(arguments: argparse.Namespace) -> None:
    os.environ["JAX_PLATFORMS"] = "cpu"
    from lemur.planning.plan import plan

    stages = [arguments.stage] if arguments.stage else ["continued_pretraining", "instruction_tuning"]
    fits = plan(
        arguments.scale,
        stages,
        machine=arguments.machine,
        mesh=arguments.mesh,
        microbatches=arguments.microbatches,
        layers=arguments.layers,
        mfu=arguments.mfu,
        compile_most=arguments.compile,
    )
    raise SystemExit(0 if fits else 1)


def _pull(_: argparse.Namespace) -> None:
    from lemur.pipeline.build.remote import pull

    pull()


def _track(_: argparse.Namespace) -> None:
    import logging

    from lemur.core.files import ROOT
    from lemur.tracking.project import project

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    raise SystemExit(0 if project(ROOT, timeout=600) else 1)


def _ui(_: argparse.Namespace) -> None:
    from lemur.core.files import ROOT
    from lemur.tracking.ui import ui

    ui(ROOT)


if __name__ == "__main__":
    main()
