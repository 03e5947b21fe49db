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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from lemur.core.parameter_blocks import current_blocks  # noqa: E402
from lemur.core.records import Record, read_json, read_jsonl  # noqa: E402
from lemur.evaluation import bbh, ds1000, gsm8k, humaneval, mbpp, mmlu, multipl_e, spider  # noqa: E402
from lemur.evaluation.harness import result as result_module  # noqa: E402
from lemur.evaluation.kinds.prompted import PromptedTask  # noqa: E402
from lemur.inference.interface import Generation, Score  # noqa: E402
from lemur.inference.text import first_stop  # noqa: E402
from lemur.sources.fetch import Params as FetchParams  # noqa: E402
from lemur.sources.fetch import fetch  # noqa: E402
from lemur.sources.fetched import load  # noqa: E402
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


def params_of(name: str, limit: int | None) -> Any:
    """params.yaml's, but all items or `limit`, and every language."""
    changed = {"languages": tuple(sorted(ADDITION))} if name == "multipl_e" else {}
    block = {**current_blocks()[name], "limit": limit, "seed": 0, "chat": "completion", **changed}
    return STAGES[name][0].Params(**block)


def more(name: str) -> list[Path]:
    """Inputs of a stage besides model and benchmark."""
    return [ROOT / "requirements/ds1000.txt"] if name == "ds1000" else []


def gold_of(name: str, source: Path, limit: int | None) -> list[str]:
    """The reference answer to each item that the stage asks, in its order; MultiPL-E has none, so ours."""
    if name == "multipl_e":
        languages = sorted(file.meta["language"] for file in load(source).files)
        return [ADDITION[language] for language in languages if language in ADDITION and language not in SKIPPED]
    task = STAGES[name][0].task(params_of(name, limit), source, *more(name))
    return [task.reference(item) for item in task.choose()]


def next_letter(gold: str) -> str:
    return " " + "ABCD"["ABCD".index(gold[-1]) - 3]


SKIPPED: dict[str, str] = {}  # languages of MultiPL-E that do not run here
STAGES: dict[str, tuple[Any, Callable[[str], str]]] = {
    "mmlu": (mmlu, next_letter),
    "bbh": (bbh, lambda gold: " nonsense"),
    "gsm8k": (gsm8k, lambda gold: " nonsense"),
    "humaneval": (humaneval, lambda gold: "\n    return 'nonsense'"),
    "mbpp": (mbpp, lambda gold: "nonsense = 1"),
    "spider": (spider, lambda gold: " 'nonsense'"),
    "multipl_e": (multipl_e, lambda gold: gold.replace("+", "-")),
    "ds1000": (ds1000, lambda gold: "result = 'nonsense'"),
}


def run(name: str, source: Path, answers: Sequence[str], limit: int | None, samples: Path) -> dict[str, list[Record]]:
    """Samples by rule, each with its `correct` by this rule. Raises `Skipped` if the stage was skipped."""
    module, params = STAGES[name][0], params_of(name, limit)
    result = samples.with_suffix(".json")
    with patch.object(PromptedTask, "open", lambda task, folder: Answers(answers)):
        getattr(module, name)(params, Path("model"), source, *more(name), result=result, samples=samples)
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


def prepare(name: str, place: str, folder: Path) -> Path:
    """The fetched source; MultiPL-E is cut down to the problem whose solution we have."""
    fetch(FetchParams(place=place), ROOT / "data/sources" / name, files=folder)  # type: ignore[arg-type]
    if name == "multipl_e":
        for file in load(folder).files:
            lines = file.path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if json.loads(line).get("name", "").startswith(PROBLEM)]
            file.path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        params = params_of(name, None)
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
        _, garbage_of = STAGES[name]
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            folder = arguments.samples or Path(work)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with patch.object(result_module, "NOTES", Path(work)):
                    source = prepare(name, arguments.place, Path(work, "source"))
                    gold = gold_of(name, source, arguments.limit)
                    gold_rows = run(name, source, gold, arguments.limit, folder / f"{name}.gold.jsonl")
                    limit = arguments.garbage or arguments.limit
                    garbage = [garbage_of(answer) for answer in gold_of(name, source, limit)]
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
