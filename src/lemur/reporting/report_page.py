"""The report's page: its first screen, and the tables and pictures in reading order."""

from lemur.core.records import Record
from lemur.pages.page_parts import Block, Cell, Column, Contents, Folded, Heading, Picture, Table, Text
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.overview import TABLE3
from lemur.reporting.paper import PaperTables
from lemur.reporting.scores import EPISODES

SHOWN_ELSEWHERE = (  # noqa: SIM905
    "in out dropped sources stage places gold languages table_1 mixture mistakes dropped_turns removed_sentences pairs "
    "overlaps benchmarks not_checked verify planted"
).split()
"""Keys of stage reports that other tables show, or that are too long for the report."""


def page(
    scale: str, paper: PaperTables, inputs: Inputs, tables: dict[str, Table], first_screen: list[Block]
) -> list[Block]:
    return [
        Heading("Results", 1),
        Text(_scale(scale, paper)),
        *first_screen,
        Contents(),
        Text(MARKS),
        Heading("Table 1: instruction data"),
        tables["table1"],
        Picture(
            "table1.png",
            "Instances, rounds, prompt and completion lengths of the instruction sources, ours and the paper's",
        ),
        Heading("Instruction data: what became of each source", 3),
        tables["funnel"],
        *gold(inputs.stages),
        Heading("Table 8: pre-training corpus"),
        tables["table8"],
        Picture("table8.png", "Weight, tokens and epochs of the sixteen corpus sources, ours and the paper's"),
        Heading("The base model's mixture", 3),
        tables["base_mixture"],
        Heading("Planted duplicates", 3),
        tables["planted_duplicates"],
        Heading("Training"),
        tables["curves"],
        Picture("curves.png", "Loss, held-out loss on code and text, and learning rate of the three trainings"),
        Heading("Bits per byte"),
        tables["bits_per_byte"],
        Heading("Table 3: text and code benchmarks"),
        tables["table3"],
        TABLE3,
        tables["table3_ours"],
        Text("All prompts, answers, episodes and verdicts", f"{EPISODES}/index.html"),
        Heading("Differences between our models", 3),
        tables["differences"],
        Heading("Spider by hardness", 3),
        tables["spider"],
        Heading("Language agents"),
        Heading("Table 4: reasoning with tools", 3),
        tables["table4"],
        Heading("Table 5: self-debugging with the environment's feedback", 3),
        tables["table5"],
        Heading("Figure 4: IC-SQL by turns", 3),
        tables["figure4"],
        Picture(
            "figure4.png", "Success in IC-SQL within the first turns: published episodes, ours, the paper's final rates"
        ),
        Heading("Table 6: with a teacher's feedback", 3),
        tables["table6"],
        Heading("Table 7: partially observable environments", 3),
        tables["table7"],
        Heading("Success by the number of turns", 3),
        tables["turns"],
        Picture("turns.png", "Success of the published Lemur-70B-Chat and of ours with one to five turns"),
        Heading("Benchmarks kept out of the training data"),
        tables["contamination"],
        Heading("What each stage kept"),
        tables["counts"],
        Picture("counts.png", "Share of records that each stage kept and dropped"),
        *places(inputs),
        *facts(inputs.stages),
    ]


SIZES = {
    "paper": "These are the paper's own sizes.",
    "small": "The base model is small but real, the data are a fraction of the paper's: only the method is comparable.",
}


MARKS = (
    f"Models: {', '.join(MODELS.values())}; each continues the one before. A dash means that there is no number; a "
    "note under the table gives the reason if it is known. A dagger marks what the paper itself contradicts."
)


def _scale(scale: str, paper: PaperTables) -> str:
    tiny = (
        "Models and data are thousands of times smaller than the paper's: these numbers show that the pipeline works, "
        "not how good Lemur is."
    )
    return (
        f"Numbers of this build (scale: {scale}) beside those printed in the paper ({paper.paper}). "
        f"{SIZES.get(scale, tiny)}"
    )


def places(inputs: Inputs) -> list[Block]:
    """Where each source came from, according to stage reports and evaluation results."""
    place_of: dict[str, Record] = {}
    for report in inputs.stages.values():
        if isinstance(report.get("places"), dict):
            place_of |= report["places"]
    for results in inputs.results.values():
        for benchmark, result in results.items():
            origin = result.get("configs", {}).get(benchmark, {}).get("data")
            if isinstance(origin, dict):
                place_of[benchmark] = origin
    if not place_of:
        return []
    rows: list[dict[str, Cell]] = []
    for source, place in sorted(place_of.items()):
        entry = place if isinstance(place, dict) else {"place": place}
        revision = entry.get("revision")
        rows.append(
            {
                "source": source,
                "place": str(entry.get("place")),
                "revision": None if revision is None else str(revision),
            }
        )
    columns = [Column("source", "Source"), Column("place", "Place"), Column("revision", "Revision")]
    notes = [
        "Place: package (from a pinned archive of the Python index), bundled (a small sample written for "
        "this project), mirror or hub (the original files), none (left out)."
    ]
    return [Folded("Sources of this build", Table(columns, rows, notes))]


def gold(stages: dict[str, Record]) -> list[Block]:
    """Precision and recall of the English filter on sources with language labels."""
    report = stages.get("english_filter", {}).get("gold", {})
    rules = {"langdetect": "langdetect alone", "both_rules": "with runs of foreign characters"}
    rows: list[dict[str, Cell]] = [
        {
            "rule": title,
            **{
                key: report[rule][key]
                for key in ("labelled", "true_positive", "false_positive", "false_negative", "true_negative")
            },
            **{key: None if report[rule][key] is None else 100 * report[rule][key] for key in ("precision", "recall")},
        }
        for rule, title in rules.items()
        if report.get(rule, {}).get("labelled")
    ]
    heading = Heading("English filter against gold labels", 3)
    if not rows:
        return [heading, Text("No source of this build labels the language of its conversations.")]
    columns = [
        Column("rule", "Rule"),
        Column("labelled", "Labelled"),
        Column("true_positive", "English kept"),
        Column("false_negative", "English dropped"),
        Column("false_positive", "Other kept"),
        Column("true_negative", "Other dropped"),
        Column("precision", "Precision, %", 2),
        Column("recall", "Recall, %", 2),
    ]
    return [heading, Table(columns, rows)]


def facts(stages: dict[str, Record]) -> list[Block]:
    """The remaining numbers and names that stages report."""
    rows: list[dict[str, Cell]] = []
    for name, report in stages.items():
        for key, value in sorted(report.items()):
            if key in SHOWN_ELSEWHERE:
                continue
            if isinstance(value, dict):
                inner = {k: v for k, v in sorted(value.items()) if _plain(v)}
                text = ", ".join(f"{k} {_format(v)}" for k, v in inner.items()) if len(inner) <= 12 else ""
            else:
                text = _format(value) if _plain(value) else ""
            if text:
                rows.append({"stage": name, "fact": key, "value": text})
    if not rows:
        return []
    return [
        Folded("Stage facts", Table([Column("stage", "Stage"), Column("fact", "Fact"), Column("value", "Value")], rows))
    ]


def _plain(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) <= 120)


def _format(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
