"""The page from which all pages of episodes open: a table of benchmarks and models with their scores."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from lemur.pages.html import html
from lemur.pages.page_parts import Block, Cell, Column, Heading, Link, Missing, Table, Text, number
from lemur.reporting.episodes.page import Summary
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.scores import benchmark_names, score


def index(inputs: Inputs, pages: Mapping[tuple[str, str], Summary]) -> str:
    """`pages`: what the page of each model and benchmark holds."""
    models = in_order((model for model, _ in pages), list(MODELS))
    benchmarks = in_order((benchmark for _, benchmark in pages), benchmark_names(inputs))
    rows: list[dict[str, Cell]] = []
    for benchmark in benchmarks:
        row: dict[str, Cell] = {"benchmark": benchmark}
        for model in models:
            if summary := pages.get((model, benchmark)):
                row[model] = Link(_cell(inputs, model, benchmark, summary), f"{model}/{benchmark}.html")
            else:
                row[model] = Missing("not run yet")
        rows.append(row)
    columns = [Column("benchmark", "Benchmark"), *(Column(model, MODELS.get(model, model)) for model in models)]
    blocks: list[Block] = [
        Heading("What the models did", 1),
        Text("Each cell opens the prompts, answers, turns and verdicts behind a score."),
        Table(columns, rows, ["Scores in percent by the paper's rule, as in the report, and the number of items."]),
        Text("The report", "../summary/report.html"),
    ]
    return html(blocks, Path(), "Lemur: episodes")


def in_order(names: Iterable[str], first: list[str]) -> list[str]:
    found = set(names)
    return [name for name in first if name in found] + sorted(found - set(first))


def _cell(inputs: Inputs, model: str, benchmark: str, summary: Summary) -> str:
    if not summary.items:
        return "skipped"
    items = f"{summary.items:,} items"
    result = score(inputs, model, benchmark)
    return items if isinstance(result, Missing) else f"{number(result.value)} ({items})"
