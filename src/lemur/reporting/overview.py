"""The report's first screen: what was trained on what, what got better and worse, and an answer of each model."""

from collections.abc import Mapping
from pathlib import Path

from lemur.core.records import Record, read_jsonl
from lemur.pages.page_parts import NONE, Block, Cell, Code, Column, Missing, Picture, Row, Table, Text, number
from lemur.reporting.differences import comparisons
from lemur.reporting.inputs import MODELS, TRAININGS, Inputs
from lemur.reporting.scores import Score, bits, score

TABLE3 = Picture("table3.png", "The eight benchmarks of the paper's nine models and our three")
KINDS = ("code", "text")
HEADLINE = {"lemur": "lemur", "lemur_chat": "chat"}
"""Models of the headline metrics, with names short enough for `dvc metrics show` in 100 columns."""
LINES, CHARACTERS = 3, 100
"""Of an answer, at most."""


def overview(inputs: Inputs, answers: Mapping[str, Path]) -> list[Block]:
    """`answers`: model to its samples of HumanEval."""
    return [
        _models(inputs),
        Text(f"{held_out(inputs)} {benchmarks(inputs)}"),
        *_answers(answers),
        Row(
            [
                Picture("bits_per_byte.png", "Bits per byte of base, Lemur and Lemur-Chat on held-out code and text"),
                TABLE3,
            ]
        ),
    ]


def headline(inputs: Inputs) -> dict[str, float]:
    """What `dvc metrics` and `dvc exp show` compare: bits per byte, and Lemur-Chat's score on MMLU in percent."""
    values: dict[str, float] = {}
    for model, name in HEADLINE.items():
        measured = bits(inputs, model)
        if not isinstance(measured, Missing):
            values |= {f"{name}.{kind}": measured[kind]["bits_per_byte"] for kind in KINDS if kind in measured}
    if isinstance(result := score(inputs, "lemur_chat", "mmlu"), Score):
        values["chat.mmlu"] = result.value
    return values


def _models(inputs: Inputs) -> Table:
    columns = [
        Column("model", "Model"),
        Column("parameters", "Parameters"),
        Column("data", "Trained on"),
        Column("tokens", "Tokens"),
        Column("code", "Bits per byte, code", 2),
        Column("text", "Bits per byte, text", 2),
    ]
    data = {
        "base": _mixture(inputs.stages.get("mix_corpus_base", {})),
        "lemur": _mixture(inputs.stages.get("mix_corpus_lemur", {})),
        "lemur_chat": _conversations(inputs.stages.get("encode_instructions", {})),
    }
    rows: list[dict[str, Cell]] = []
    for model, title in MODELS.items():
        training, measured = inputs.stages.get(TRAININGS[model]), bits(inputs, model)
        row: dict[str, Cell] = {"model": title, "data": data[model]}
        for key in ("parameters", "tokens"):
            row[key] = Missing(f"no report of {TRAININGS[model]}") if training is None else training.get(key)
        for kind in KINDS:
            row[kind] = measured if isinstance(measured, Missing) else measured.get(kind, {}).get("bits_per_byte")
        rows.append(row)
    return Table(columns, rows)


def _mixture(report: Record) -> str:
    """The groups of the mixture by their share of its tokens."""
    tokens: dict[str, float] = {}
    for row in report.get("sources", {}).values():
        tokens[row["group"]] = tokens.get(row["group"], 0) + row["tokens"]
    total = sum(tokens.values())
    shares = sorted(tokens.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{100 * count / total:.0f} % {group}" for group, count in shares if count) or NONE


def _conversations(report: Record) -> str:
    conversations = report.get("out")
    return NONE if conversations is None else f"{number(conversations)} conversations"


def held_out(inputs: Inputs) -> str:
    """What the trainings after the base model changed."""
    base, lemur = (bits(inputs, model) for model in ("base", "lemur"))
    if isinstance(base, Missing) or isinstance(lemur, Missing):
        return "Bits per byte have not been measured yet."
    words = []
    for kind in KINDS:
        if kind in base and kind in lemur:
            before, after = (rows[kind]["bits_per_byte"] for rows in (base, lemur))
            verdict = "got better" if after < before else "got worse" if after > before else "stayed the same"
            words.append(f"{verdict} on {kind} ({before:.2f} to {after:.2f})")
    return f"From Base to Lemur, bits per byte of held-out documents {', and '.join(words)}; lower is better."


def benchmarks(inputs: Inputs) -> str:
    """How many benchmarks differ between two of our models, by the paper's rule."""
    clear = [record for record in comparisons(inputs) if record["p"] < 0.05]
    if not inputs.comparisons:
        return "No two models were compared on a benchmark."
    if not clear:
        return "On no benchmark do two of our models differ clearly (p < 0.05)."
    listed = [
        f"{MODELS.get(record['model'], record['model'])} is {'better' if record['difference'] > 0 else 'worse'} than "
        f"{MODELS.get(record['against'], record['against'])} on {record['benchmark']} "
        f"({100 * record['difference']:+.1f} points)"
        for record in clear
    ]
    return f"Clear differences on benchmarks (p < 0.05): {'; '.join(listed)}."


def _answers(paths: Mapping[str, Path]) -> list[Block]:
    """The first item that all models answered: chosen before anybody looked at the answers."""
    if not all(path.is_file() for path in paths.values()):
        return [Text("No answers on record yet.")]
    answers = {
        model: {str(sample["id"]): str(sample["output"]) for sample in read_jsonl(path)}
        for model, path in paths.items()
    }
    first, *others = answers.values()
    item = next((id for id in first if all(each.get(id, "").strip() for each in (first, *others))), None)
    if item is None:
        return [Text("There is no problem of HumanEval that all three models answered.")]
    return [
        Text(f"How each completes {item}, the first problem of HumanEval that all answered:"),
        Row([Code(MODELS[model], _cut(by_id[item])) for model, by_id in answers.items()]),
    ]


def _cut(answer: str) -> str:
    answer = answer.strip("\n")
    cut = "\n".join(answer.splitlines()[:LINES])[:CHARACTERS]
    return cut if cut == answer else f"{cut}…"
