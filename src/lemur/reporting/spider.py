"""Spider by hardness: execution accuracy and exact set match, as the official evaluator reports them."""

from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.inputs import MODELS, Inputs

HARDNESS = ("easy", "medium", "hard", "extra")


def table(inputs: Inputs) -> Table:
    """One row per model and hardness, after one for all questions; per cent. A model that was not asked has no rows."""
    columns = [
        Column("model", "Model"),
        Column("hardness", "Hardness"),
        Column("questions", "Questions", 0),
        Column("execution", "Execution accuracy, %"),
        Column("strict", "with DISTINCT, %"),
        Column("set_match", "Exact set match, %"),
        Column("undecided", "Undecided", 0),
    ]
    rows: list[dict[str, Cell]] = []
    for model, title in MODELS.items():
        result = inputs.results.get(model, {}).get("spider", {})
        sizes = result.get("configs", {}).get("spider", {}).get("hardness", {})
        for hardness in ("all", *(name for name in HARDNESS if name in sizes)) if sizes else ():
            scores = result["results"]["spider" if hardness == "all" else f"spider_hardness_{hardness}"]
            rows.append(
                {
                    "model": title,
                    "hardness": hardness,
                    "questions": sum(sizes.values()) if hardness == "all" else sizes[hardness],
                    "execution": _percent(scores, "execution_accuracy,paper"),
                    "strict": _percent(scores, "execution_accuracy,strict"),
                    "set_match": _percent(scores, "exact_set_match,none"),
                    **({"undecided": result["counts"]["spider"].get("undecided", 0)} if hardness == "all" else {}),
                }
            )
    notes = [
        "Hardness and exact set match by the official evaluator's rules. Undecided: the search for matching columns "
        "reached its limit; such answers count in no execution accuracy."
    ]
    return Table(columns, rows, notes if rows else ["Spider was not run."])


def _percent(scores: dict[str, float | None], metric: str) -> Cell:
    value = scores.get(metric)
    return Missing("every answer is undecided") if value is None else 100 * value
