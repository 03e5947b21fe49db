"""Runs gold answers and garbage through every benchmark, from prompt to score: a table, and each failing gold answer.

    LEMUR_MIRROR=FOLDER python benchmarks/gold.py [NAME ...] [--place mirror] [--limit N] [--garbage N]

Fetches the benchmarks' own files from the place (docs/sources.md) into a temporary folder, and uses the parameters of
params.yaml, but all items. MultiPL-E has no solutions, so it asks one problem in each language with a toolchain here
(`make toolchains`); DS-1000 needs `make ds1000`. `--samples` keeps the sample of every item.
Exits with status 1 if a gold answer fails that EXPLAINED does not list, or garbage passes that PASSABLE does not list.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from lemur.core.parameter_blocks import current_blocks  # noqa: E402
from lemur.core.records import Record, read_json, read_jsonl  # noqa: E402
from lemur.evaluation import bbh, ds1000, gsm8k, humaneval, mbpp, mmlu, multipl_e, spider  # noqa: E402
from lemur.evaluation.harness import result as result_module  # noqa: E402
from lemur.evaluation.harness.asking import choose  # noqa: E402
from lemur.evaluation.kinds.prompted import PromptedTask  # noqa: E402
from lemur.inference.interface import Generation, Score  # noqa: E402
from lemur.inference.text import first_stop  # noqa: E402
from lemur.sources.fetch import Params as FetchParams  # noqa: E402
from lemur.sources.fetch import fetch  # noqa: E402
from lemur.sources.fetched import Fetched, load  # noqa: E402
from lemur.sources.reading.rows import readable  # noqa: E402
from tests.evaluation.additions import ADDITION, PROBLEM  # noqa: E402

LOADS = (519, 539, 565, 566, 567, 577, 598, 624, 629, 650, 654, 655, 656, 661, 819)
EXPLAINED = {
    ("ds1000", ""): {
        **{str(number): "loads a data set from the network, but the sandbox has none" for number in LOADS},
    },
    ("mbpp", "paper"): {"367": "needs its set-up code, which the paper's script omits"},
}
PASSABLE: dict[tuple[str, str], dict[str, str]] = {}


class Skipped(Exception):
    """The stage cannot run here, for this reason."""


class Answers:
    """A model that gives prepared answers in the order of the items."""

    chat = False
    context_length = 1 << 30

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = iter(answers)

    def generate(self, prompts: Sequence[str], *, stop: Sequence[str], **_: object) -> list[Generation]:
        texts = [next(self._answers) for _ in prompts]
        return [Generation(text[: first_stop(text, stop)], 0, "stop") for text in texts]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        """Letters come in fours; the prepared answer is the likeliest."""
        likeliest = [answer for answer in [next(self._answers) for _ in requests[::4]] for _ in range(4)]
        values = [float(text == answer) - 1 for (_, text), answer in zip(requests, likeliest, strict=True)]
        return [Score(value, (value,), value == 0) for value in values]

    def count_tokens(self, text: str) -> int:
        return 0

    def identity(self) -> Record:
        return {}


def items(module: Any, source: Fetched) -> list[Any]:
    return [item for file in source.files for item in readable(module.read(file))]


def chosen(items: list[Any], limit: int | None, key: Callable[[Any], str]) -> list[Any]:
    return choose(items, limit, 0, key)


def mmlu_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    files = sorted(
        (file for file in source.files if file.meta["split"] == "test"), key=lambda file: file.meta["subject"]
    )
    for file in files:
        for question in chosen(readable(mmlu.read(file)), limit, lambda item: item.where):
            yield f" {question.answer}"


def bbh_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    files = sorted((file for file in source.files if file.meta["split"] == "test"), key=lambda file: file.meta["task"])
    for file in files:
        for question in chosen(readable(bbh.read(file)), limit, lambda item: item.where):
            yield f" {question.target}."


def gsm8k_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    for problem in chosen(gsm8k.problems(source, "test"), limit, lambda item: item.where):
        # One line, like the examples: the answer to a plain prompt ends with its first line.
        yield f" {problem.solution} So the answer is {problem.answer}.\n".replace("\n", " ").rstrip() + "\n"


def humaneval_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    for problem in chosen(items(humaneval, source), limit, lambda item: item.task_id):
        yield f"\n{problem.canonical_solution}"


def mbpp_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    test = [problem for problem in items(mbpp, source) if problem.task_id in mbpp.TEST]
    for problem in chosen(test, limit, lambda item: str(item.task_id)):
        yield f"\n{problem.code}\n[DONE]"


def spider_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    files = [file for file in source.files if "database" not in file.meta]
    questions = [question for file in files for question in readable(spider.read(file))]
    for question in chosen(questions, limit, lambda item: item.where):
        yield question.query.strip()[len("SELECT") :]


def multipl_e_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    for file in sorted(source.files, key=lambda file: file.meta["language"]):
        if file.meta["language"] in ADDITION and file.meta["language"] not in SKIPPED:
            yield ADDITION[file.meta["language"]]


def ds1000_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    for problem in chosen(items(ds1000, source), limit, lambda item: str(item.number)):
        yield f"{problem.reference_code}</code>"


def next_letter(gold: str) -> str:
    return " " + "ABCD"["ABCD".index(gold[-1]) - 3]


SKIPPED: dict[str, str] = {}  # languages of MultiPL-E that do not run here
STAGES: dict[str, tuple[Any, Callable[[Fetched, int | None], Iterator[str]], Callable[[str], str]]] = {
    "mmlu": (mmlu, mmlu_gold, next_letter),
    "bbh": (bbh, bbh_gold, lambda gold: " nonsense"),
    "gsm8k": (gsm8k, gsm8k_gold, lambda gold: " nonsense"),
    "humaneval": (humaneval, humaneval_gold, lambda gold: "\n    return 'nonsense'"),
    "mbpp": (mbpp, mbpp_gold, lambda gold: "nonsense = 1"),
    "spider": (spider, spider_gold, lambda gold: " 'nonsense'"),
    "multipl_e": (multipl_e, multipl_e_gold, lambda gold: gold.replace("+", "-")),
    "ds1000": (ds1000, ds1000_gold, lambda gold: "result = 'nonsense'"),
}


def run(name: str, source: Path, answers: Sequence[str], limit: int | None, samples: Path) -> dict[str, list[Record]]:
    """Samples by rule, each with its `correct` by this rule. Raises `Skipped` if the stage was skipped."""
    module = STAGES[name][0]
    params = module.Params(
        **{**current_blocks()[name], "limit": limit, "seed": 0, "chat": "completion", **overrides(name)}
    )
    more = [ROOT / "requirements/ds1000.txt"] if name == "ds1000" else []
    result = samples.with_suffix(".json")
    with patch.object(PromptedTask, "open", lambda task, folder: Answers(answers)):
        getattr(module, name)(params, Path("model"), source, *more, result=result, samples=samples)
    if skipped := read_json(result)["results"][name].get("skipped"):
        raise Skipped(skipped)
    by_rule: dict[str, list[Record]] = {}
    for row in read_jsonl(samples):
        correct = row["correct"] if isinstance(row["correct"], dict) else {"": row["correct"]}
        if name == "spider":
            correct = {
                f"{metric.removesuffix('_accuracy')}, {rule}": value
                for metric, rules in correct.items()
                for rule, value in rules.items()
            } | {"exact set match": row["exact_set_match"]}
        for rule, value in correct.items():
            by_rule.setdefault("" if rule == "none" else rule, []).append({**row, "correct": value})
    return by_rule


def overrides(name: str) -> Record:
    """Parameters that differ from params.yaml: every language."""
    return {"languages": tuple(sorted(ADDITION))} if name == "multipl_e" else {}


def prepare(name: str, place: str, folder: Path) -> Path:
    """The fetched source; MultiPL-E is cut down to the problem whose solution we have."""
    fetch(FetchParams(place=place), ROOT / "data/sources" / name, files=folder)  # type: ignore[arg-type]
    if name == "multipl_e":
        for file in load(folder).files:
            lines = file.path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if json.loads(line).get("name", "").startswith(PROBLEM)]
            file.path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        params = multipl_e.Params(**{**current_blocks()[name], **overrides(name)})
        problems = {file.meta["language"]: readable(multipl_e.read(file)) for file in load(folder).files}
        by_language = {language: problems.get(language, []) for language in params.languages}
        SKIPPED.update(multipl_e.why_missing(params, by_language))
        for language, reason in SKIPPED.items():
            print(f"  multipl_e_{language}: skipped: {reason}")
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(STAGES)}; default: all")
    parser.add_argument("--place", default="mirror", help="mirror (in LEMUR_MIRROR), hub, package or bundled")
    parser.add_argument("--limit", type=int, help="number of items (per task or subject), a seeded choice")
    parser.add_argument("--garbage", type=int, help="number of items with garbage, if fewer")
    parser.add_argument("--samples", type=Path, help="folder for the samples of all items")
    arguments = parser.parse_args()
    table = ["| benchmark | rule | gold | garbage |", "| --- | --- | --- | --- |"]
    unexplained = 0
    for name in arguments.names or STAGES:
        _, gold_of, garbage_of = STAGES[name]
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            folder = arguments.samples or Path(work)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with patch.object(result_module, "NOTES", Path(work)):
                    source = prepare(name, arguments.place, Path(work, "source"))
                    gold = list(gold_of(load(source), arguments.limit))
                    gold_rows = run(name, source, gold, arguments.limit, folder / f"{name}.gold.jsonl")
                    limit = arguments.garbage or arguments.limit
                    garbage = [garbage_of(answer) for answer in gold_of(load(source), limit)]
                    garbage_rows = run(name, source, garbage, limit, folder / f"{name}.garbage.jsonl")
            except Skipped as error:
                table.append(f"| {name} | | skipped: {error} | |")
                continue
        for rule, rows in gold_rows.items():
            failed = [row for row in rows if not row["correct"]]
            passed = [row for row in garbage_rows[rule] if row["correct"]]
            correct = f"{len(rows) - len(failed):,} of {len(rows):,}"
            table.append(f"| {name} | {rule} | {correct} | {len(passed)} of {len(garbage_rows[rule]):,} |")
            for problem, causes, exceptions in (
                ("gold fails", EXPLAINED, failed),
                ("garbage passes", PASSABLE, passed),
            ):
                for row in exceptions:
                    cause = causes.get((name, rule), {}).get(row["id"])
                    unexplained += cause is None
                    text = cause or f"UNEXPLAINED: {row.get('verdict', row.get('extraction'))}"
                    print(f"  {name} {rule} {row['id']}: {problem}: {text}")
        print(f"  {name}: {time.monotonic() - start:.0f} s", flush=True)
    print("\n".join(table))
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main())
