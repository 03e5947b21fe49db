"""The model card, README.md: everything in it follows from `facts`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from tokenizers import Tokenizer

from lemur.core.records import Record
from lemur.core.tokenizer_json import tokenizer_json
from lemur.inference.chat_template import find_chat_template
from lemur.instructions.data_card import NOTES, is_non_commercial
from lemur.model.special_tokens import special_tokens
from lemur.pages.page_parts import Block, Cell, Column, Heading, Table, Text, markdown, number
from lemur.publishing.facts import TRAININGS, Facts, Source
from lemur.publishing.licences import NON_COMMERCIAL, by_consequence
from lemur.reporting.scores import all_scores, is_sample

PAPER = "2310.06830"
CHARACTERS = 800
"""Of a sample's prompt and of its answer."""
SHOWN = ("peak_learning_rate", "schedule", "weight_decay", "batch_size", "epochs", "compute_dtype", "seed")
"""Of a training's parameters, by the last part of their keys."""


def card(facts: Facts, folder: Path, identifier: str, licence: str | None) -> str:
    """The card's text. `identifier`: OWNER/NAME on the hub, or the folder's name. Raises `ValueError` if the metadata
    do not come back from `huggingface_hub`'s own parser as they went in."""
    text = f"---\n{metadata(facts, identifier, licence).to_yaml()}\n---\n\n" + markdown(
        body(facts, folder, identifier, licence)
    )
    read = ModelCard(text)
    if len(read.data.get("eval_results") or []) != len(evaluations(facts)):
        raise ValueError(f"the card of {facts.name}: huggingface_hub reads other results than were written")
    return text


def metadata(facts: Facts, identifier: str, licence: str | None) -> ModelCardData:
    results = evaluations(facts)
    imported = [source for source in facts.sources if source.name == "base_weights"]
    return ModelCardData(
        base_model=next((name for source in imported if (name := hub_name(source.homepage))), None),
        eval_results=results or None,
        language=["en"] if facts.trainings else None,
        library_name="transformers",
        license=licence,
        model_name=identifier.rpartition("/")[2],
        pipeline_tag="text-generation",
        tags=["lemur", f"arxiv:{PAPER}"] if facts.trainings else None,
    )


def hub_name(homepage: str) -> str | None:
    """OWNER/NAME of a model's page on the hub."""
    host, _, path = homepage.removeprefix("https://").partition("/")
    parts = path.split("/")
    return path if host == "huggingface.co" and len(parts) == 2 and parts[0] != "datasets" else None


def evaluations(facts: Facts) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=f"{name}-sample-items" if is_sample(result, name) else name,
            dataset_name=f"{name}, sample items written for lemur" if is_sample(result, name) else name,
            dataset_args={"num_few_shot": result["n-shot"][name], "items": result["n-samples"][name]["effective"]},
            metric_type=metric,
            metric_name=key,
            metric_value=value,
        )
        for name, result in facts.results.items()
        for metric, key, value, _ in _scores(name, result)
    ]


def body(facts: Facts, folder: Path, identifier: str, licence: str | None) -> list[Block]:
    return [
        Heading(identifier.rpartition("/")[2], 1),
        Text(_summary(facts)),
        *_unknown(facts),
        Heading("Use"),
        Text(_use(facts, folder, identifier)),
        *_training(facts),
        *_data(facts),
        Heading("Licence"),
        Text("\n\n".join(_licence(facts, licence))),
        *_results(facts),
        *_sample(facts),
        Heading("Limits"),
        Text("\n".join(f"* {line}" for line in _limits(facts))),
    ]


def _summary(facts: Facts) -> str:
    config = facts.config
    shape = ", ".join(
        f"{number(config[key])} {word}"
        for key, word in (
            ("num_hidden_layers", "layers"), ("hidden_size", "wide"), ("vocab_size", "tokens in the vocabulary"),
            ("max_position_embeddings", "tokens of context"),
        )
        if key in config
    )  # fmt: skip
    kind = next(iter(config.get("architectures") or []), config.get("model_type", "A model"))
    made = " Built by the pipeline lemur, which rebuilds Lemur (arXiv 2310.06830)." if facts.trainings else ""
    return f"{kind} with {facts.parameters:,} parameters ({', '.join(facts.types)}): {shape}.{made}"


def _unknown(facts: Facts) -> Iterator[Block]:
    if facts.unknown:
        yield Text("Not on record: " + "; ".join(facts.unknown) + ".")


def _use(facts: Facts, folder: Path, identifier: str) -> str:
    is_chat = find_chat_template(folder, {}) is not None
    starts = bool(facts.trainings) and _lacks_bos(folder)
    if is_chat:
        inputs = (
            'messages = [{"role": "user", "content": "Write a function that adds two numbers."}]\n'
            "inputs = tokenizer.apply_chat_template(\n"
            '    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"\n)'
        )
    else:
        start = "tokenizer.bos_token + " if starts else ""
        inputs = f'inputs = tokenizer({start}"def add(a, b):", return_tensors="pt")'
    return (
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("{identifier}")\n'
        f'model = AutoModelForCausalLM.from_pretrained("{identifier}")\n'
        f"{inputs}\n"
        'length = inputs["input_ids"].shape[1]\n'
        "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=64)[0][length:]))\n```"
    )


def _lacks_bos(folder: Path) -> bool:
    """Whether the tokenizer leaves out the beginning-of-text token, which these models are trained with."""
    tokenizer = Tokenizer.from_file(str(tokenizer_json(folder)))
    bos = special_tokens(folder).get("bos_token")
    return bos is not None and tokenizer.token_to_id(bos) not in tokenizer.encode("a").ids


def _training(facts: Facts) -> Iterator[Block]:
    if not facts.trainings:
        return
    rows: list[dict[str, Cell]] = []
    for training in facts.trainings:
        heldout = training.report.get("heldout", {})
        last = {key.rpartition(".")[2]: value for key, value in training.settings.items()}
        settings = ", ".join(f"{key} {last[key]}" for key in SHOWN if key in last)
        rows.append(
            {
                "stage": TRAININGS[training.stage],
                "steps": training.report.get("steps"),
                "tokens": training.report.get("tokens"),
                "code": heldout.get("code", {}).get("bits_per_byte"),
                "text": heldout.get("text", {}).get("bits_per_byte"),
                "settings": settings,
            }
        )
    yield Heading("Training")
    columns = [Column("stage", "Stage"), Column("steps", "Steps"), Column("tokens", "Tokens"),
               Column("code", "Held-out code, bits per byte", 3), Column("text", "Held-out text", 3),
               Column("settings", "Settings")]  # fmt: skip
    yield Table(columns, rows)


def _data(facts: Facts) -> Iterator[Block]:
    if not facts.sources:
        return
    rows: list[dict[str, Cell]] = []
    for source in facts.sources:
        amounts: dict[str, Cell] = {training.stage: training.amounts.get(source.name) for training in facts.trainings}
        rows.append({"source": source.title, "place": _place(source), "licence": ", ".join(source.licences), **amounts})
    columns = [Column("source", "Source"), Column("place", "Files used"), Column("licence", "Licence")]
    columns += [Column(t.stage, f"{TRAININGS[t.stage]}, {t.unit}") for t in facts.trainings]
    bundled = "bundled: a small sample written for this project in the source's schema, not the source itself."
    yield Heading("Data")
    yield Table(columns, rows, [bundled] if any(source.place == "bundled" for source in facts.sources) else [])


def _place(source: Source) -> str:
    return f"{source.place}, {source.revision}" if source.revision else source.place


def _licence(facts: Facts, licence: str | None) -> Iterator[str]:
    yield (
        f"Published under {licence}." if licence else "Whoever publishes these weights has stated no licence for them."
    )
    pairs = [(source.name, licence) for source in facts.sources for licence in source.licences]
    found = by_consequence(pairs)
    if found:
        lines = "\n".join(f"* {text} {', '.join(names)}." for text, names in found.items())
        yield f"What the licences of the data ask, whatever the weights' own licence is:\n\n{lines}"
    elif not facts.sources:
        yield "Which data the model was trained on, and under which licences, is not on record."
    terms = [
        f"* {source.title}: {NOTES[source.name]}"
        for source in facts.sources
        if source.place == "hub" and source.name in NOTES
    ]
    if terms:
        yield "Beside the licences:\n\n" + "\n".join(terms)


def _results(facts: Facts) -> Iterator[Block]:
    rows: list[dict[str, Cell]] = []
    for name, result in facts.results.items():
        count = result["n-samples"][name]
        for metric, key, value, error in _scores(name, result):
            lower = not result["higher_is_better"][name][metric]
            rows.append(
                {
                    "benchmark": f"{name} *" if is_sample(result, name) else name,
                    "metric": f"{key} (lower is better)" if lower else key,
                    "value": value,
                    "error": error,
                    "items": f"{count['effective']:,} of {count['original']:,}",
                    "shots": result["n-shot"][name],
                }
            )
    if rows:
        columns = [Column("benchmark", "Benchmark"), Column("metric", "Metric"), Column("value", "Score", 4)]
        columns += [Column("error", "Standard error", 4), Column("items", "Items"), Column("shots", "Shots")]
        note = "\\* Sample items written for lemur: the score is not the benchmark's."
        yield Heading("Results")
        yield Table(columns, rows, [note] if any(is_sample(r, n) for n, r in facts.results.items()) else [])


def _sample(facts: Facts) -> Iterator[Block]:
    if facts.answer is not None:
        yield Heading("A sample")
        prompt, output = facts.answer.prompt[-CHARACTERS:], facts.answer.output[:CHARACTERS]
        cut = "..." if len(facts.answer.prompt) > CHARACTERS else ""
        yield Text(f"The first written answer on record, to {facts.answer.benchmark}; the end of its prompt:")
        yield Text(f"{fenced(cut + prompt)}\n\nThe answer:\n\n{fenced(output)}")


def fenced(text: str) -> str:
    """A code block that the text's own fences cannot end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def _limits(facts: Facts) -> Iterator[str]:
    if facts.trainings:
        stages = " and ".join(TRAININGS[training.stage].lower() for training in facts.trainings)
        tokens = sum(training.report.get("tokens", 0) for training in facts.trainings)
        yield f"{facts.parameters:,} parameters, trained on {tokens:,} tokens here ({stages})."
        yield "Trained on English text and on code; not trained for safety or preferences."
    if "max_position_embeddings" in facts.config:
        yield f"At most {facts.config['max_position_embeddings']:,} tokens of prompt and answer."
    yield "Code that it writes may be wrong or harmful: run it in a sandbox."


def _scores(name: str, result: Record) -> Iterator[tuple[str, str, float, float | None]]:
    """Those of `all_scores` that are known."""
    for metric, label, value, error in all_scores(result, name):
        if value is not None:
            yield metric, label, value, error


def warnings(facts: Facts, licence: str | None) -> Sequence[str]:
    """What to look at before publishing."""
    pairs = [(source.name, name) for source in facts.sources for name in source.licences]
    restricted = by_consequence(pairs).get(NON_COMMERCIAL, [])
    lines = [] if licence else ["no licence: name the one that you choose with --licence, such as apache-2.0"]
    if licence and restricted and not is_non_commercial(licence):
        lines.append(
            f"--licence {licence} allows commercial use, but the licences of these do not: {', '.join(restricted)}"
        )
    return [*lines, *(f"not on record: {text}" for text in facts.unknown)]
