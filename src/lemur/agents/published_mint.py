"""MINT's published trajectories scored again: the paper's Tables 4, 6 and 7 by both rules (Wang et al. 2023)."""

from collections import defaultdict
from pathlib import Path

from lemur.agents.published.folders import Setting
from lemur.agents.published.rescore import Scored, rescore
from lemur.agents.published.tables import summary
from lemur.agents.published.trajectories import Recorded, read
from lemur.benchmark_items import mint
from lemur.core.params import StageParams
from lemur.core.records import write_json
from lemur.sources.fetched import FetchedFile, load
from lemur.sources.reading.rows import readable

SCHEMA = "mint_episodes"


class Params(StageParams):
    """None: what was published is scored as it is."""


def published_mint(params: Params, benchmark: Path, *, result: Path) -> None:
    """Score the files with schema `mint_episodes` of the fetched source `benchmark` again, programs in the sandbox, and
    write `tables.summary` of them. A source without such files gives {skipped: reason}.

    A file's metadata has {model, feedback, turns, proposals, task}; feedback is none or the teacher's name. Items of
    the source, where it has them, are used instead of what the trajectories say. Raises `ValueError` for a file that
    cannot be read."""
    source = load(benchmark)
    files = [file for file in source.files if file.schema == SCHEMA]
    if not files:
        write_json(result, {"skipped": f"source {source.name} of place {source.place} has no published trajectories"})
        return
    tasks = [file for file in source.files if file.schema in ("mint", "mint_humaneval", "mbpp")]
    items = {item.id: item for file in tasks for item in readable(mint.read(file))}
    recorded: list[tuple[Setting, Recorded]] = []
    for file in files:
        setting = setting_of(file)
        recorded += [(setting, one) for one in read(file.path, file.meta["task"], items, name=file.name)]
    runs: defaultdict[Setting, list[Scored]] = defaultdict(list)
    for (setting, _), scored in zip(recorded, rescore([one for _, one in recorded]), strict=True):
        runs[setting].append(scored)
    write_json(result, {**summary(runs), "place": source.place, "revision": source.revision})


def setting_of(file: FetchedFile) -> Setting:
    """The settings in a file's metadata. Raises `ValueError` for a missing one."""
    try:
        meta = file.meta
        limits = {"turns": int(meta["turns"]), "proposals": int(meta["proposals"])}
        return Setting(str(meta["model"]), str(meta["feedback"]), str(meta.get("form", "")), **limits)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file.path}: metadata {dict(file.meta)}: {error!r}; the manifest must give model, feedback, turns, "
            "proposals and task"
        ) from None
