"""InterCode's published episodes scored again from the log alone (paper, Table 5 and Figure 4; Yang et al. 2023)."""

from pathlib import Path

from lemur.agents.intercode.published import read, rescore
from lemur.benchmark_items.intercode import EPISODES
from lemur.core.params import StageParams
from lemur.core.records import write_json
from lemur.sources.fetched import load


class Params(StageParams):
    """None: what was published is scored as it is."""


def published_intercode(params: Params, benchmark: Path, *, result: Path) -> None:
    """Write the scores of each log in the fetched source `benchmark`, by benchmark, part and model: {episodes, solved,
    success, by_turns}. A source without logs gives {skipped: reason}. Raises `ValueError` for another layout."""
    source = load(benchmark)
    files = [file for file in source.files if file.schema == EPISODES]
    if not files:
        reason = f"source {source.name} of place {source.place} has no published episodes"
        return write_json(result, {"skipped": reason})
    scores = {
        "/".join(str(file.meta[key]) for key in ("benchmark", "part", "model") if key in file.meta): rescore(
            read(file.path)
        )
        for file in files
    }
    write_json(result, {"logs": scores, "place": source.place, "revision": source.revision})
