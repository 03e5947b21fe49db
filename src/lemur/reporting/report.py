"""The results in one place: Tables 1, 3 and 8 beside the paper's, training curves, bits per byte and stage counts."""

import logging
from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur.core.params import StageParams

PACKAGES = ("matplotlib",)
log = logging.getLogger(__name__)


class Params(StageParams):
    scale: Literal["tiny", "demo", "mirror", "small", "paper"] = Field(
        description="name of the scale that the other blocks are at, as the report's introduction gives it"
    )


def report(params: Params, paper: Path, stages: Path, curves: Path, results: Path, *, tables: Path) -> None:
    """Write `report.md`, a self-contained `report.html`, and each table and picture on its own, into `tables`.

    `stages`, `curves` and `results` are the folders of the other stages' reports (lemur.reporting.inputs). What is not
    there, or was skipped, is shown with its reason. Same inputs, same bytes: pictures included.
    """
    from lemur.core.records import write_json
    from lemur.decontamination import contamination
    from lemur.instructions import funnel
    from lemur.pages import blocks
    from lemur.reporting import bits_per_byte, counts, duplicates, inputs, table1, table3, table8
    from lemur.reporting import curves as training
    from lemur.reporting import paper as published
    from lemur.reporting.pages import pages

    found = inputs.load(stages, curves, results)
    printed = published.load(paper)
    tables.mkdir(parents=True)
    made = {
        "table1": table1.table(printed, found.stages),
        "funnel": funnel.table(found.stages),
        "contamination": contamination.table(found.stages),
        "table3": table3.table(printed, found),
        "table3_ours": table3.details(found, printed),
        "table8": table8.table(printed, found.stages),
        "base_mixture": table8.base(found.stages),
        "planted_duplicates": duplicates.table(found.stages),
        "bits_per_byte": bits_per_byte.table(found),
        "curves": training.table(found),
        "counts": counts.table(found.stages),
    }
    for name, table in made.items():
        (tables / f"{name}.csv").write_text(table.csv(), encoding="utf-8")
        write_json(tables / f"{name}.json", funnel.json(table, found.stages) if name == "funnel" else table.json())
    (tables / "funnel_rules.csv").write_text(funnel.rules(found.stages).csv(), encoding="utf-8")
    table1.draw(made["table1"], tables / "table1.png")
    table3.draw(made["table3"], found, printed, tables / "table3.png")
    table8.draw(made["table8"], tables / "table8.png")
    bits_per_byte.draw(made["bits_per_byte"], tables / "bits_per_byte.png")
    training.draw(found, tables / "curves.png")
    counts.draw(found.stages, tables / "counts.png")
    page = pages(params.scale, printed, found, made)
    (tables / "report.md").write_text(blocks.markdown(page), encoding="utf-8")
    (tables / "report.html").write_text(blocks.html(page, tables, "Lemur: results"), encoding="utf-8")
    log.info(
        "report: %d stage reports, %d curves, %d models evaluated",
        len(found.stages),
        len(found.curves),
        len(found.results),
    )
