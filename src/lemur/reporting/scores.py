"""Scores of our models from the evaluation results, or the reason why there is none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.pages.page_parts import Cell, Link, Missing
from lemur.reporting.inputs import MODELS, Inputs

EPISODES = "../episodes"
"""The folder of stage `viewer`, from that of the report."""

METRICS = {
    "mmlu": "acc",
    "bbh": "exact_match",
    "gsm8k": "exact_match",
    "humaneval": "pass@1",
    "mbpp": "pass@1",
    "spider": "execution_accuracy",
    "multipl_e": "pass@1",
    "ds1000": "pass@1",
}
"""The metric of each benchmark in Table 3. Any other benchmark uses the first one in its `higher_is_better`."""


@dataclass(frozen=True)
class Score:
    """A score in percent over `asked` of `items` items. `strict`: by the strict rule, if the benchmark has one."""

    value: float
    error: float | None
    asked: int
    items: int
    shots: int | None
    fewer_shots: int | None
    """Items whose prompt did not fit all shots."""
    too_long: int | None
    """Items that were not asked, and count as wrong, because their prompt leaves no room for an answer."""
    strict: float | None
    place: str | None
    sample: bool
    """As `is_sample` says."""

    @property
    def data(self) -> str | None:
        return f"{self.place}, a sample" if self.sample else self.place


def score(inputs: Inputs, model: str, benchmark: str) -> Score | Missing:
    """The score of `model` by the paper's own rule (`metric,paper`, or `metric,none` if there is only one rule)."""
    result = inputs.results.get(model, {}).get(benchmark)
    if result is None:
        return Missing("not run yet")
    values = result.get("results", {}).get(benchmark, {})
    if "skipped" in values:
        return Missing(f"{benchmark} of {MODELS.get(model, model)} skipped: {values['skipped']}")
    metric = METRICS.get(benchmark) or next(iter(result.get("higher_is_better", {}).get(benchmark, {})), None)
    rule = next((name for name in ("paper", "none") if f"{metric},{name}" in values), None)
    if rule is None or values[f"{metric},{rule}"] is None:
        return Missing(f"{benchmark} of {MODELS.get(model, model)}: its result file has no {metric or 'metric'}")
    samples = result.get("n-samples", {}).get(benchmark, {})
    origin = result.get("configs", {}).get(benchmark, {}).get("data", {})
    strict = values.get(f"{metric},strict")
    return Score(
        value=100 * values[f"{metric},{rule}"],
        error=_percent(values.get(f"{metric}_stderr,{rule}")),
        asked=samples.get("effective", 0),
        items=samples.get("original", 0),
        shots=result.get("n-shot", {}).get(benchmark),
        fewer_shots=result.get("counts", {}).get(benchmark, {}).get("fewer_shots"),
        too_long=result.get("counts", {}).get(benchmark, {}).get("prompt_too_long"),
        strict=_percent(strict),
        place=origin.get("place"),
        sample=is_sample(result, benchmark),
    )


def all_scores(result: Record, benchmark: str) -> Iterator[tuple[str, str, float | None, float | None]]:
    """(metric, metric with its rule, value, standard error) of each score of a benchmark, not of its parts."""
    values = result["results"].get(benchmark, {})
    for key, value in values.items():
        metric, comma, rule = key.partition(",")
        if metric in result["higher_is_better"].get(benchmark, {}) and not isinstance(value, Mapping):
            label = metric if rule in ("", "none") else key
            yield metric, label, value, values.get(f"{metric}_stderr{comma}{rule}")


def is_sample(result: Record, benchmark: str) -> bool:
    """Whether the items were written for this project and only resemble the benchmark's."""
    return bool(result.get("configs", {}).get(benchmark, {}).get("data", {}).get("sample"))


def opens(model: str, benchmark: str) -> Link:
    """From the report to the page that stage `viewer` writes for these results."""
    return Link("open", f"{EPISODES}/{model}/{benchmark}.html")


def why_skipped(inputs: Inputs, model: str, benchmark: str) -> str | None:
    reason = inputs.results.get(model, {}).get(benchmark, {}).get("results", {}).get(benchmark, {}).get("skipped")
    return None if reason is None else str(reason)


@dataclass(frozen=True)
class Baseline:
    """Scores in percent, by the rule of `score`: of the reference answers, and of the best constant answer, `text`."""

    reference: Cell
    constant: float
    text: str


def baseline(inputs: Inputs, benchmark: str) -> Baseline | Missing:
    record = inputs.baselines.get(benchmark)
    if record is None:
        return Missing(f"{benchmark}: no baselines")
    if "skipped" in record:
        return Missing(f"baselines of {benchmark} skipped: {record['skipped']}")
    metrics = record["metrics"]
    metric = METRICS.get(benchmark) or next(iter(metrics)).partition(",")[0]
    values = metrics.get(f"{metric},paper") or metrics[f"{metric},none"]
    no_reference = Missing(f"{benchmark} has no reference answers")
    reference = no_reference if values["reference"] is None else 100 * values["reference"]
    return Baseline(reference, 100 * values["constant"], values["answer"])


def benchmark_names(inputs: Inputs) -> list[str]:
    """The benchmarks of Table 3, then all others with a result."""
    names = {name for results in inputs.results.values() for name in results}
    return [*METRICS, *sorted(names - set(METRICS) - {"bits_per_byte"})]


def skipped_parts(inputs: Inputs, benchmark: str) -> dict[str, str]:
    """Skipped parts of a benchmark, such as a language without a compiler here, and why."""
    return {
        name.removeprefix(f"{benchmark}_"): scores["skipped"]
        for model in MODELS
        for name, scores in inputs.results.get(model, {}).get(benchmark, {}).get("results", {}).items()
        if name != benchmark and "skipped" in scores
    }


def bits(inputs: Inputs, model: str) -> dict[str, Record] | Missing:
    """By `code`, `text` and source: {"bits_per_byte": x, "unigram": y or None, "bytes": n or None}."""
    result = inputs.results.get(model, {}).get("bits_per_byte")
    if result is None:
        return Missing("not run yet")
    values = result.get("results", {}).get("bits_per_byte", {})
    if "skipped" in values:
        return Missing(f"bits per byte of {MODELS.get(model, model)} skipped: {values['skipped']}")
    unigram = values.get("unigram", {})
    sizes = result.get("configs", {}).get("bits_per_byte", {}).get("sources", {})
    rows = {
        name: {"bits_per_byte": value, "unigram": unigram.get(name), "bytes": sizes.get(name, {}).get("bytes")}
        for name, value in sorted(values.items())
        if isinstance(value, float)
    }
    return rows or Missing(f"bits per byte of {MODELS.get(model, model)}: its result file has no scores")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
