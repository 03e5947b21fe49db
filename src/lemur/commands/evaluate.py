"""Commands under the heading Evaluate."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lemur.commands import completion
from lemur.commands.output import print_long

Chat = Literal["auto", "chat", "completion"]


def eval(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model folder, or http://HOST:PORT/v1 with --tokenizer.")
    ],
    tasks: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Such as mmlu,gsm8k,humaneval.", autocompletion=completion.benchmarks),
    ],
    limit: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, help="Items; mmlu, bbh, multipl_e: of each part.")
    ] = None,
    backend: Annotated[
        Literal["jax", "transformers", "server", "vllm"] | None,
        typer.Option(help="What computes the answers; transformers: any architecture."),
    ] = None,
    shots: Annotated[int | None, typer.Option(metavar="NUMBER", min=0, help="Examples before each item.")] = None,
    context: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=2, help="Tokens of prompt and answer; else of params.yaml, or the model's."),
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(metavar="NUMBER", min=1, help="Tokens of an answer.")] = None,
    tile: Annotated[int | None, typer.Option(metavar="NUMBER", min=1, help="Prompts computed together.")] = None,
    chat: Annotated[Chat | None, typer.Option(help="With the chat template, or as plain text.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", min=0, help="Of the choice of items.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", metavar="KEY=VALUE", help="Any other parameter, as humaneval.samples=20."),
    ] = None,
    against: Annotated[str | None, typer.Option(metavar="MODEL", help="Compare with this one, item by item.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Config and tokenizer of what a server serves.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Results and samples; else .lemur/eval/NAME.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask everything again: a server may have other weights now.")
    ] = False,
) -> None:
    """Ask any model the questions of benchmarks, and print its scores.

    Does what the stages of dvc.yaml do, with their parameters in params.yaml
    unless options change them. Answers are kept, so the same command goes on
    where it was interrupted.

    Example: lemur eval models/lemur_chat --tasks mmlu,humaneval --limit 20 --against models/lemur
    """
    import logging
    import os
    import sys
    import tempfile

    from lemur.any_model import evaluate, tables
    from lemur.any_model.benchmarks import chosen, parameters
    from lemur.any_model.target import target
    from lemur.core.files import ROOT
    from lemur.core.numerics import apply_profile

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for name in ("absl", "lemur.evaluation.harness.result"):  # the tables show the results
        logging.getLogger(name).setLevel(logging.WARNING)
    asked = chosen(tasks)
    models = [target(name, tokenizer) for name in (model, against) if name is not None]
    if against == model:
        raise SystemExit(f"--against {against}: that is the same model")
    options: dict[str, int | str | None] = {
        "limit": limit,
        "shots": shots,
        "context": context,
        "max_new_tokens": max_new_tokens,
        "tile": tile,
        "chat": chat,
        "seed": seed,
    }
    params = [parameters(asked, {**options, "backend": one.backend(backend)}, settings or []) for one in models]
    for benchmark in asked:
        for one, values in zip(models, params, strict=True):
            one.check(benchmark.name, values[benchmark.name], backend)
        benchmark.check_inputs()
    folder = output or ROOT / ".lemur" / "eval" / models[0].name
    folders = [folder, folder / "against" / models[-1].name][: len(models)]
    apply_profile()
    lines = []
    with tempfile.TemporaryDirectory() as forgotten:
        if fresh:
            os.environ["LEMUR_ANSWERS"] = forgotten
        for one, values, place in zip(models, params, folders, strict=True):
            lines += [f"{one.given}:", *tables.scores(evaluate.evaluate(one, asked, values, place)), ""]
    if against is not None:
        lines += [*tables.differences(evaluate.compare(folders[0], folders[1], asked, (model, against))), ""]
    print_long("\n".join([*lines, f"Results and samples: {os.path.relpath(folder)}"]))
