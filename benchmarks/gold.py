"""Gold answers through every benchmark, from prompt to score, and garbage: a table, and each gold answer that fails.

    LEMUR_MIRROR=FOLDER python benchmarks/gold.py [NAME ...] [--place mirror] [--limit N] [--garbage N]

Takes the benchmarks' own files from the place (docs/sources.md), fetched into a temporary folder, and the parameters of
params.yaml, but all items. Of MultiPL-E, which has no solutions, it is one problem in each language whose toolchain is
here (`make toolchains`); DS-1000 needs `make ds1000`. `--samples` keeps what every item came to.
Exits with status 1 where gold fails that EXPLAINED does not name, or garbage passes that PASSABLE does not.
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

from lemur.core.blocks import current_blocks  # noqa: E402
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
        **{str(number): "loads a data set from the network, which the sandbox has not" for number in LOADS},
    },
    ("mbpp", "paper"): {"367": "needs its set-up code, which the paper's script leaves out"},
}
PASSABLE: dict[tuple[str, str], dict[str, str]] = {}


class Skipped(Exception):
    """The stage cannot run here; says why."""


class Answers:
    """Gives its answers in the order in which the items are asked."""

    chat = False
    context_length = 1 << 30

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = iter(answers)

    def generate(self, prompts: Sequence[str], *, stop: Sequence[str], **_: object) -> list[Generation]:
        texts = [next(self._answers) for _ in prompts]
        return [Generation(text[: first_stop(text, stop)], 0, "stop") for text in texts]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        """Letters come in fours; the answer is the likeliest."""
        likeliest = [answer for answer in [next(self._answers) for _ in requests[::4]] for _ in range(4)]
        values = [float(text == one) - 1 for (_, text), one in zip(requests, likeliest, strict=True)]
        return [Score(value, (value,), value == 0) for value in values]

    def count_tokens(self, text: str) -> int:
        return 0

    def identity(self) -> Record:
        return {}


def items(module: Any, source: Fetched) -> list[Any]:
    return [item for file in source.files for item in readable(module.read(file))]


def chosen(found: list[Any], limit: int | None, key: Callable[[Any], str]) -> list[Any]:
    return choose(found, limit, 0, key)


def mmlu_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    files = sorted(
        (file for file in source.files if file.meta["split"] == "test"), key=lambda file: file.meta["subject"]
    )
    for file in files:
        for question in chosen(readable(mmlu.read(file)), limit, lambda one: one.where):
            yield f" {question.answer}"


def bbh_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    files = sorted((file for file in source.files if file.meta["split"] == "test"), key=lambda file: file.meta["task"])
    for file in files:
        for question in chosen(readable(bbh.read(file)), limit, lambda one: one.where):
            yield f" {question.target}."


def gsm8k_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    for problem in chosen(gsm8k.problems(source, "test"), limit, lambda one: one.where):
        # One line, as the examples are: a plain prompt's answer ends with its line.
        yield f" {problem.solution} So the answer is {problem.answer}.\n".replace("\n", " ").rstrip() + "\n"


def humaneval_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    for problem in chosen(items(humaneval, source), limit, lambda one: one.task_id):
        yield f"\n{problem.canonical_solution}"


def mbpp_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    test = [problem for problem in items(mbpp, source) if problem.task_id in mbpp.TEST]
    for problem in chosen(test, limit, lambda one: str(one.task_id)):
        yield f"\n{problem.code}\n[DONE]"


def spider_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    lists = [file for file in source.files if "database" not in file.meta]
    questions = [one for file in lists for one in readable(spider.read(file))]
    for question in chosen(questions, limit, lambda one: one.where):
        yield question.query.strip()[len("SELECT") :]


def multipl_e_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    for file in sorted(source.files, key=lambda file: file.meta["language"]):
        if file.meta["language"] in ADDITION and file.meta["language"] not in SKIPPED:
            yield ADDITION[file.meta["language"]]


def ds1000_gold(source: Fetched, limit: int | None) -> Iterator[str]:
    for problem in chosen(items(ds1000, source), limit, lambda one: str(one.number)):
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
    """By rule, the items' samples, with `correct` of this rule. Raises `Skipped` if the stage was."""
    module = STAGES[name][0]
    params = module.Params(**{**current_blocks()[name], "limit": limit, "seed": 0, "chat": "completion", **of(name)})
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
            }
        for rule, value in correct.items():
            by_rule.setdefault("" if rule == "none" else rule, []).append({**row, "correct": value})
    return by_rule


def of(name: str) -> Record:
    """Parameters that are not those of params.yaml: every language."""
    return {"languages": tuple(sorted(ADDITION))} if name == "multipl_e" else {}


def prepare(name: str, place: str, folder: Path) -> Path:
    """The fetched source; of MultiPL-E only the problem whose solution is known."""
    fetch(FetchParams(place=place), ROOT / "data/sources" / name, files=folder)  # type: ignore[arg-type]
    if name == "multipl_e":
        for file in load(folder).files:
            lines = file.path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if json.loads(line).get("name", "").startswith(PROBLEM)]
            file.path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        params = multipl_e.Params(**{**current_blocks()[name], **of(name)})
        found = {file.meta["language"]: readable(multipl_e.read(file)) for file in load(folder).files}
        SKIPPED.update(multipl_e.why_missing(params, {one: found.get(one, []) for one in params.languages}))
        for language, reason in SKIPPED.items():
            print(f"  multipl_e_{language}: skipped: {reason}")
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(STAGES)}; all of them if none is named")
    parser.add_argument("--place", default="mirror", help="mirror (in LEMUR_MIRROR), hub, package or bundled")
    parser.add_argument("--limit", type=int, help="items (of each task or subject), a seeded choice")
    parser.add_argument("--garbage", type=int, help="items asked for garbage, if fewer")
    parser.add_argument("--samples", type=Path, help="folder for what every item came to")
    arguments = parser.parse_args()
    table = ["| benchmark | rule | gold | garbage |", "| --- | --- | --- | --- |"]
    wrong = 0
    for name in arguments.names or STAGES:
        _, gold_of, garbage_of = STAGES[name]
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            kept = arguments.samples or Path(work)
            kept.mkdir(parents=True, exist_ok=True)
            try:
                with patch.object(result_module, "NOTES", Path(work)):
                    source = prepare(name, arguments.place, Path(work, "source"))
                    gold = list(gold_of(load(source), arguments.limit))
                    right = run(name, source, gold, arguments.limit, kept / f"{name}.gold.jsonl")
                    fewer = arguments.garbage or arguments.limit
                    garbage = [garbage_of(answer) for answer in gold_of(load(source), fewer)]
                    nonsense = run(name, source, garbage, fewer, kept / f"{name}.garbage.jsonl")
            except Skipped as error:
                table.append(f"| {name} | | skipped: {error} | |")
                continue
        for rule, rows in right.items():
            failed = [row for row in rows if not row["correct"]]
            passed = [row for row in nonsense[rule] if row["correct"]]
            right_of = f"{len(rows) - len(failed):,} of {len(rows):,}"
            table.append(f"| {name} | {rule} | {right_of} | {len(passed)} of {len(nonsense[rule]):,} |")
            for what, known, found in (("gold fails", EXPLAINED, failed), ("garbage passes", PASSABLE, passed)):
                for row in found:
                    cause = known.get((name, rule), {}).get(row["id"])
                    wrong += cause is None
                    said = cause or f"UNEXPLAINED: {row.get('verdict', row.get('extraction'))}"
                    print(f"  {name} {rule} {row['id']}: {what}: {said}")
        print(f"  {name}: {time.monotonic() - start:.0f} s", flush=True)
    print("\n".join(table))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
