"""Commands under the heading Episodes."""

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from lemur.commands.output import print_long


def rescore(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Trajectories: a file, or what MINT published of a model, or our own."),
    ],
    items: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="TASK/test_prompts.json; without, what the trajectories say."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there.")] = None,
) -> None:
    """Score recorded trajectories of agents again, and say which verdicts changed and why.

    Proposed programs run in the sandbox; nothing else runs and no model is asked.

    Example: lemur rescore data/eval/lemur
    """
    from lemur.agents.published.report import lines, rescored
    from lemur.agents.published.tables import summary
    from lemur.core.records import write_json

    runs = rescored(folder, items)
    if json_file is not None:
        write_json(json_file, summary(runs))
    print_long("\n".join(lines(runs)))


def replay(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Trajectories: a file, or what MINT published of a model, or our own."),
    ],
    tasks: Annotated[
        list[str] | None, typer.Argument(metavar="TASK", help="Only these, such as gsm8k or alfworld.")
    ] = None,
    source: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The fetched source mint, for the search tool.")
    ] = Path("data/raw/mint"),
    games: Annotated[Path, typer.Option(metavar="FOLDER", help="The fetched source alfworld.")] = Path(
        "data/raw/alfworld"
    ),
    engine: Annotated[
        str, typer.Option(metavar="ENGINE", help="What plays the games: textworld (`make agents`) or household.")
    ] = "household",
    characters: Annotated[int, typer.Option(help="Characters of an observation that the model read.")] = 2000,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there.")] = None,
) -> None:
    """Play recorded episodes of agents again, and compare every observation with the recorded one.

    The recorded answers go to live environments: sessions in the sandbox, search, games. No model is asked.

    Example: lemur replay data/eval/lemur_chat --characters 300
    """
    from lemur.agents.alfworld import read_games
    from lemur.agents.recorded_worlds import Worlds, lines, replayed
    from lemur.agents.search.layers import SearchParams, open_search
    from lemur.core.records import write_json
    from lemur.sources.fetched import load

    if engine not in ("textworld", "household"):
        raise typer.BadParameter(f"{engine!r}: textworld or household is allowed", param_hint="--engine")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    search = open_search(load(source).files, SearchParams(recorded=True, behind="local", corpus_sha256=None))
    by_name = {game.where: game for game in read_games(load(games))}
    worlds = Worlds(search, by_name, engine, characters)  # type: ignore[arg-type]
    again = replayed(folder, worlds, tasks or ())
    if json_file is not None:
        rows = [{**vars(setting), "task": task, **episode.record()} for setting, task, episode in again]
        write_json(json_file, rows)
    print_long("\n".join(lines(again)))


def export(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[SAMPLES]... FOLDER", help="Samples files or folders of them (data/eval); last where to write."
        ),
    ],
    form: Annotated[
        Literal["inspect", "atif"],
        typer.Option("--format", help="Logs for `inspect view`, or Harbor's ATIF, one file an episode."),
    ] = "inspect",
) -> None:
    """Write episodes and answers as logs that other tools open.

    Example: lemur export data/eval/lemur_chat/mint.jsonl exported
    """
    from lemur.core.files import ROOT
    from lemur.reporting.export.export import export

    *samples, folder = paths
    if folder.is_file():
        raise SystemExit(f"{folder} is a file; the last argument names the folder to write into")
    try:
        written = export(samples or [ROOT / "data/eval"], folder, form, ROOT / "reports/eval")
    except ValueError as error:
        raise SystemExit(str(error)) from None
    print_long("\n".join(f"{path}: {records:,} records" for path, records in written.items()))
