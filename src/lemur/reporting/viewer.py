"""Stage `viewer`: pages that show what each model was asked, what it answered and did, and each verdict."""

import logging
from pathlib import Path

from pydantic import Field

from lemur.core.params import StageParams

PACKAGES = ("pygments",)
log = logging.getLogger(__name__)


class Params(StageParams):
    items: int = Field(ge=1, description="items on a page; of a longer samples file, evenly spaced ones")
    megabytes: int = Field(ge=1, le=50, description="of a page; it has fewer items if they would take more")
    characters: int = Field(ge=1000, description="of one text; the middle of a longer one is left out")


def viewer(params: Params, samples: Path, results: Path, *, pages: Path) -> None:
    """Write a self-contained page <model>/<benchmark>.html for each file of the folder `samples`, and index.html.

    `results`: the folder of results, for scores and for why a benchmark was skipped. The pages need no network, run
    only their own script, and show any text of a model as text. Links to an item, PAGE#ID, stay the same.
    """
    from lemur.reporting.episodes.index import index
    from lemur.reporting.episodes.page import Limits, page
    from lemur.reporting.inputs import MODELS, Inputs, read_results
    from lemur.reporting.scores import why_skipped

    limits = Limits(params.items, params.megabytes * 1_000_000, params.characters)
    inputs = Inputs(stages={}, curves={}, results=read_results(results))
    pages.mkdir(parents=True)
    shown = {}
    for file in sorted(samples.glob("*/*.jsonl")):
        model, benchmark = file.parent.name, file.stem
        title = f"{benchmark} of {MODELS.get(model, model)}"
        html, shown[model, benchmark] = page(file, benchmark, title, limits, why_skipped(inputs, model, benchmark))
        (pages / model).mkdir(exist_ok=True)
        (pages / model / f"{benchmark}.html").write_text(html, encoding="utf-8")
    (pages / "index.html").write_text(index(inputs, shown), encoding="utf-8")
    log.info("viewer: %d pages, %d items", len(shown), sum(summary.items for summary in shown.values()))
