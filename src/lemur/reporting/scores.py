"""Scores of our models out of the evaluation results, or the reason why there is none."""

from dataclasses import dataclass

from lemur.core.records import Record
from lemur.pages.blocks import Missing
from lemur.reporting.inputs import MODELS, Inputs

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
"""The metric of each benchmark of Table 3. Any other benchmark's is the first of its `higher_is_better`."""


@dataclass(frozen=True)
class Score:
    """In per cent. `asked` of `items` items were asked. `strict`: by the strict rule, where that is another one."""

    value: float
    error: float | None
    asked: int
    items: int
    shots: int | None
    fewer_shots: int | None
    """Items whose prompt had no room for all shots."""
    strict: float | None
    place: str | None
    sample: bool
    """Whether the items were written for this project and only look like the benchmark's."""

    @property
    def data(self) -> str | None:
        return f"{self.place}, a sample" if self.sample else self.place


def score(inputs: Inputs, model: str, benchmark: str) -> Score | Missing:
    """What `model` scored by the paper's own rule (`metric,paper`; `metric,none` where there is one rule only)."""
    result = inputs.results.get(model, {}).get(benchmark)
    if result is None:
        return Missing("not run yet")
    found = result.get("results", {}).get(benchmark, {})
    if "skipped" in found:
        return Missing(f"{benchmark} of {MODELS.get(model, model)} skipped: {found['skipped']}")
    metric = METRICS.get(benchmark) or next(iter(result.get("higher_is_better", {}).get(benchmark, {})), None)
    rule = next((name for name in ("paper", "none") if f"{metric},{name}" in found), None)
    if rule is None or found[f"{metric},{rule}"] is None:
        return Missing(f"{benchmark} of {MODELS.get(model, model)}: its result file has no {metric or 'metric'}")
    samples = result.get("n-samples", {}).get(benchmark, {})
    origin = result.get("configs", {}).get(benchmark, {}).get("data", {})
    strict = found.get(f"{metric},strict")
    return Score(
        value=100 * found[f"{metric},{rule}"],
        error=_percent(found.get(f"{metric}_stderr,{rule}")),
        asked=samples.get("effective", 0),
        items=samples.get("original", 0),
        shots=result.get("n-shot", {}).get(benchmark),
        fewer_shots=result.get("counts", {}).get(benchmark, {}).get("fewer_shots"),
        strict=_percent(strict),
        place=origin.get("place"),
        sample=bool(origin.get("sample")),
    )


def benchmarks(inputs: Inputs) -> list[str]:
    """Those of Table 3, then every other one that a model was asked."""
    asked = {name for results in inputs.results.values() for name in results}
    return [*METRICS, *sorted(asked - set(METRICS) - {"bits_per_byte"})]


def left_out(inputs: Inputs, benchmark: str) -> dict[str, str]:
    """Parts of a benchmark that were skipped, such as a language without a compiler here, and why."""
    return {
        name.removeprefix(f"{benchmark}_"): scores["skipped"]
        for model in MODELS
        for name, scores in inputs.results.get(model, {}).get(benchmark, {}).get("results", {}).items()
        if name != benchmark and "skipped" in scores
    }


def bits(inputs: Inputs, model: str) -> dict[str, Record] | Missing:
    """Bits per byte by `code`, `text` and source: {"bits_per_byte": x, "unigram": y or None, "bytes": n or None}."""
    result = inputs.results.get(model, {}).get("bits_per_byte")
    if result is None:
        return Missing("not run yet")
    found = result.get("results", {}).get("bits_per_byte", {})
    if "skipped" in found:
        return Missing(f"bits per byte of {MODELS.get(model, model)} skipped: {found['skipped']}")
    unigram = found.get("unigram", {})
    sizes = result.get("configs", {}).get("bits_per_byte", {}).get("sources", {})
    rows = {
        name: {"bits_per_byte": value, "unigram": unigram.get(name), "bytes": sizes.get(name, {}).get("bytes")}
        for name, value in sorted(found.items())
        if isinstance(value, float)
    }
    return rows or Missing(f"bits per byte of {MODELS.get(model, model)}: its result file has no scores")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
