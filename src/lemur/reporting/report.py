"""Stage `report`: Tables 1 and 3 to 8 beside the paper's, training curves, bits per byte, stage counts on one page."""

import logging
from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur.core.params import StageParams

PACKAGES = ("matplotlib",)
log = logging.getLogger(__name__)


class Params(StageParams):
    scale: Literal["tiny", "demo", "mirror", "instructions", "small", "paper"] = Field(
        description="scale of the other blocks, named in the report's introduction"
    )


def report(
    params: Params,
    paper: Path,
    stages: Path,
    curves: Path,
    results: Path,
    published: Path,
    base_answers: Path,
    lemur_answers: Path,
    lemur_chat_answers: Path,
    *,
    tables: Path,
) -> None:
    """Write `report.md`, a self-contained `report.html`, and every table and picture as separate files, into `tables`.

    `stages`, `curves` and `results` are the folders of the other stages' reports (lemur.reporting.inputs), `published`
    is that of the rescored trajectories (lemur.reporting.agents.published). The answers are HumanEval's; one of each
    model is shown. A missing or skipped value is shown with its reason. The same inputs give the same bytes, pictures
    included.
    """
    from lemur.core.records import write_json
    from lemur.decontamination import contamination
    from lemur.instructions import funnel
    from lemur.pages.html import html
    from lemur.pages.page_parts import markdown
    from lemur.reporting import bits_per_byte, counts, differences, duplicates, inputs, spider, table1, table3, table8
    from lemur.reporting import curves as training
    from lemur.reporting import paper as printed_tables
    from lemur.reporting.agents import by_task, figure4, table6, turns
    from lemur.reporting.agents import published as trajectories
    from lemur.reporting.overview import headline, overview
    from lemur.reporting.report_page import page

    reported = inputs.load(stages, curves, results)
    printed = printed_tables.load(paper)
    episodes = trajectories.load(published)
    tables.mkdir(parents=True)
    table_of = {
        "table1": table1.table(printed, reported.stages),
        "funnel": funnel.table(reported.stages),
        "contamination": contamination.table(reported.stages),
        "table3": table3.table(printed, reported),
        "table3_ours": table3.details(reported, printed),
        "differences": differences.table(reported, printed),
        "spider": spider.table(reported),
        "table4": by_task.table(printed.table4, by_task.TABLE4, episodes, reported),
        "table5": by_task.table(printed.table5, by_task.TABLE5, episodes, reported),
        "table6": table6.table(printed.table6, episodes, reported),
        "table7": by_task.table(printed.table7, by_task.TABLE7, episodes, reported),
        "turns": turns.table(episodes, reported),
        "figure4": figure4.table(printed.table5, episodes, reported),
        "table8": table8.table(printed, reported.stages),
        "base_mixture": table8.base(reported.stages),
        "planted_duplicates": duplicates.table(reported.stages),
        "bits_per_byte": bits_per_byte.table(reported),
        "curves": training.table(reported),
        "counts": counts.table(reported.stages),
    }
    for name, table in table_of.items():
        (tables / f"{name}.csv").write_text(table.csv(), encoding="utf-8")
        write_json(tables / f"{name}.json", funnel.json(table, reported.stages) if name == "funnel" else table.json())
    write_json(tables / "headline.json", headline(reported))
    for model in inputs.MODELS:
        for name, losses in training.plotted(reported.curves.get(model, {})).items():
            (tables / f"{name}_{model}.csv").write_text(losses, encoding="utf-8")
    (tables / "funnel_rules.csv").write_text(funnel.rules(reported.stages).csv(), encoding="utf-8")
    table1.draw(table_of["table1"], tables / "table1.png")
    table3.draw(reported, printed, tables / "table3.png")
    turns.draw(episodes, reported, tables / "turns.png")
    figure4.draw(printed.table5, episodes, reported, tables / "figure4.png")
    table8.draw(table_of["table8"], tables / "table8.png")
    bits_per_byte.draw(table_of["bits_per_byte"], tables / "bits_per_byte.png")
    training.draw(reported, tables / "curves.png")
    counts.draw(reported.stages, tables / "counts.png")
    answers = {"base": base_answers, "lemur": lemur_answers, "lemur_chat": lemur_chat_answers}
    blocks = page(params.scale, printed, reported, table_of, overview(reported, answers))
    (tables / "report.md").write_text(markdown(blocks), encoding="utf-8")
    (tables / "report.html").write_text(html(blocks, tables, "Lemur: results"), encoding="utf-8")
    log.info(
        "report: %d stage reports, %d curves, %d models evaluated",
        len(reported.stages),
        len(reported.curves),
        len(reported.results),
    )
