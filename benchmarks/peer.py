"""Compares our harness with lm-evaluation-harness: the same model and items, offline.

    make peer
    python benchmarks/peer.py [--model models/lemur] [--mmlu data/raw/mmlu] [--shots 2] [--limit N] [--generations FILE]

MMLU: log-probabilities of the four letters within 1e-4, equal accuracy, items per second (one thread each).
GSM8K: the same generations through both extractions. Exits with status 1 if anything differs.
`--generations`: samples of our stage gsm8k, or OpenAI's example_model_solutions.jsonl.
`--commands ROUNDS`: instead, all of `lemur eval` against all of lm-evaluation-harness on MMLU, in alternating rounds:
equal accuracy, and the ratio of wall-clock and of processor seconds, from start to end.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
TOLERANCE = 1e-4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models/lemur")
    parser.add_argument("--mmlu", type=Path, default=ROOT / "data/raw/mmlu", help="a fetched source")
    parser.add_argument(
        "--shots", type=int, default=2, help="few enough to fit the model's context with every question"
    )
    parser.add_argument("--limit", type=int, help="questions per subject")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--generations", type=Path, default=ROOT / "data/eval/lemur/gsm8k.jsonl")
    parser.add_argument("--commands", type=int, metavar="ROUNDS", help="compare whole commands, in this many rounds")
    arguments = parser.parse_args()
    from lemur.core.numerics import apply_profile

    apply_profile()
    python = ROOT / ".venv-peer/bin/python"
    if not python.is_file():
        sys.exit(f"{python} is missing; install lm-evaluation-harness there with `make peer`")
    questions = read_questions(arguments.mmlu, arguments.limit)
    if arguments.commands:
        return compare_commands(arguments, questions, python)
    generations = read_generations(arguments.generations)
    ours, rate, warm = ask(arguments, questions)
    with tempfile.TemporaryDirectory() as folder:
        request = {
            "model": str(arguments.model.resolve()),
            "questions": questions,
            "shots": arguments.shots,
            "batch": arguments.batch,
            "outputs": [generation["output"] for generation in generations],
            "targets": [generation["target"] for generation in generations],
        }
        Path(folder, "request.json").write_text(json.dumps(request), encoding="utf-8")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": folder}
        subprocess.run([python, ROOT / "benchmarks/peer_side.py", folder], check=True, env=environment)
        theirs = json.loads(Path(folder, "answer.json").read_text(encoding="utf-8"))
    return compare_mmlu(ours, theirs, rate, warm) + compare_gsm8k(generations, theirs["gsm8k"])


def compare_commands(arguments: argparse.Namespace, questions: dict[str, Any], python: Path) -> int:
    if arguments.limit is not None:
        sys.exit("--commands asks all questions: `lemur eval --limit` chooses others than --limit does")
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        request = {"model": str(arguments.model.resolve()), "questions": questions, "shots": arguments.shots}
        request |= {"batch": arguments.batch, "outputs": [], "targets": []}
        Path(folder, "request.json").write_text(json.dumps(request), encoding="utf-8")
        here = [
            sys.executable,
            "-m",
            "lemur",
            "eval",
            arguments.model,
            "--tasks",
            "mmlu",
            "--fresh",
            "--output",
            folder,
        ]
        here += ["--shots", str(arguments.shots), "--tile", str(arguments.batch), "--chat", "completion"]
        there = [python, ROOT / "benchmarks/peer_side.py", folder]
        path = {"PYTHONPATH": str(ROOT / "src")}
        alone = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": folder}
        for _ in range(arguments.commands):
            ours.append(seconds(here, path))
            theirs.append(seconds(there, alone))
        result = json.loads(Path(folder, "mmlu.json").read_text(encoding="utf-8"))
        answers = json.loads(Path(folder, "answer.json").read_text(encoding="utf-8"))["mmlu"]
    verdicts = [answer["correct"] for rows in answers.values() for answer in rows]
    accuracy = result["results"]["mmlu"]["acc,none"], sum(verdicts) / len(verdicts)
    print(f"MMLU, {len(verdicts)} questions: accuracy {accuracy[0]:.6f} here, {accuracy[1]:.6f} there")
    for kind, index in (("wall-clock", 0), ("processor", 1)):
        a, b = ([round(pair[index], 1) for pair in times] for times in (ours, theirs))
        print(
            f"  {kind} seconds: {a} here, {b} there; ratio of medians {statistics.median(b) / statistics.median(a):.2f}"
        )
    return int(abs(accuracy[0] - accuracy[1]) > 1e-12)


def seconds(command: list[Any], environment: dict[str, str]) -> tuple[float, float]:
    """Wall-clock and processor seconds of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
                   env={**os.environ, **environment})  # fmt: skip
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read_questions(folder: Path, limit: int | None) -> dict[str, dict[str, list[list[str]]]]:
    """{subject: {dev or test: rows of question, A, B, C, D, answer}}."""
    from lemur.benchmark_items.mmlu import read
    from lemur.sources.fetched import load
    from lemur.sources.reading.rows import readable

    rows: dict[str, dict[str, list[list[str]]]] = {}
    for file in load(folder).files:
        for question in readable(read(file)):
            row = [question.question, *question.choices, question.answer]
            rows.setdefault(question.subject, {"dev": [], "test": []})[file.meta["split"]].append(row)
    return {subject: {**splits, "test": splits["test"][:limit]} for subject, splits in sorted(rows.items())}


def ask(
    arguments: argparse.Namespace, questions: dict[str, dict[str, list[list[str]]]]
) -> tuple[dict[str, list[dict[str, Any]]], float, float]:
    """Our samples by subject, and items per second with and without compilation."""
    from lemur.benchmark_items.mmlu import Question
    from lemur.core.records import read_jsonl
    from lemur.evaluation import mmlu
    from lemur.evaluation.harness.run import evaluate
    from lemur.inference.jax_model import JaxModel
    from lemur.sources.fetched import Fetched

    def split(name: str) -> dict[str, list[Question]]:
        return {
            subject: [
                Question(subject, str(n), row[0], (row[1], row[2], row[3], row[4]), row[5])
                for n, row in enumerate(splits[name])
            ]
            for subject, splits in questions.items()
        }

    settings = {"seed": 0, "bos": True, "chat": "completion", "context": None, "tile": arguments.batch}
    params = mmlu.Params(shots=arguments.shots, limit=None, backend="jax", **settings)
    source = Fetched("mmlu", "MMLU", "none", "", "", ())
    task = mmlu.Mmlu(params, [questions for _, questions in sorted(split("test").items())], source, split("dev"))
    model = JaxModel.load(arguments.model, tile=arguments.batch, bos=True)
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        result, samples = Path(folder, "peer", "mmlu.json"), Path(folder, "mmlu.jsonl")
        for _ in range(2):
            start = time.perf_counter()
            evaluate(task, model, result, samples)
            rates.append(sum(len(splits["test"]) for splits in questions.values()) / (time.perf_counter() - start))
        ours: dict[str, list[dict[str, Any]]] = {}
        for sample in read_jsonl(samples):
            ours.setdefault(sample["subject"], []).append(sample)
    return ours, rates[0], rates[1]


def compare_mmlu(ours: dict[str, list[dict[str, Any]]], theirs: dict[str, Any], rate: float, warm: float) -> int:
    largest, items, hits, cut = 0.0, 0, [0, 0], 0
    for subject, samples in ours.items():
        for sample, peer in zip(samples, theirs["mmlu"][subject], strict=True):
            if peer["prompt"] != sample["prompt"]:
                cut += 1  # a prompt that does not fit loses shots here, but its beginning there
                continue
            logprobs = list(sample["logprobs"].values())
            largest = max([largest, *(abs(a - b) for a, b in zip(logprobs, peer["logprobs"], strict=True))])
            items += 1
            hits[0] += sample["correct"]
            hits[1] += peer["correct"]
    print(f"MMLU: {items} questions, without {cut} whose prompt did not fit the model's context")
    print(f"  largest difference of a log-probability: {largest:.2e} (allowed: {TOLERANCE})")
    print(f"  correct answers: {hits[0]} here, {hits[1]} there")
    there = theirs["items_per_second"]
    print(f"  items/s: {warm:.1f} here ({rate:.1f} with compilation), {there:.1f} there: {warm / there:.2f} times")
    return int(not items or largest > TOLERANCE or hits[0] != hits[1])


def read_generations(path: Path) -> list[dict[str, str]]:
    """{output, target}: ours unchanged; OpenAI's end with a line `A: N`, which becomes a sentence."""
    from lemur.benchmark_items.gsm8k import without_commas
    from lemur.core.records import read_jsonl

    generations: list[dict[str, str]] = []
    for record in read_jsonl(path):
        if "output" in record:
            generations.append({"output": record["output"], "target": record["target"]})
            continue
        target = without_commas(record["ground_truth"].rpartition("\nA:")[2].strip())
        for answer in record.values():
            if isinstance(answer, dict):
                steps, _, last = answer["solution"].rpartition("\nA:")
                generations.append({"output": f"{steps}\nSo the answer is {last.strip()}.", "target": target})
    return generations


def compare_gsm8k(generations: list[dict[str, str]], theirs: list[dict[str, Any]]) -> int:
    from lemur.evaluation import gsm8k
    from lemur.evaluation.judging.exact_match import normalise_answer

    differences = {"strict": [], "paper": []}
    explained = 0
    for generation, peer in zip(generations, theirs, strict=True):
        output, target = generation["output"], generation["target"]
        strict = gsm8k.same_number(gsm8k.stated_number(output), target)
        if strict != peer["strict"]:
            if strict and gsm8k.same_number(peer["strict_text"].replace(",", "").rstrip("."), target):
                explained += 1  # 18.0 equals 18 here; the peer compares strings
            else:
                differences["strict"].append((generation, peer))
        paper = normalise_answer(gsm8k.last_number(output)) == normalise_answer(target)
        if paper != peer["flexible"]:
            differences["paper"].append((generation, peer))
    strict_count, paper_count = len(differences["strict"]), len(differences["paper"])
    print(f"GSM8K: {len(generations)} generations")
    print(f"  stated answer: {strict_count} different verdicts, and {explained} where only 18.0 and 18 differ")
    print(f"  last number (the paper's rule and `flexible-extract`): {paper_count} different verdicts")
    for generation, peer in [*differences["strict"], *differences["paper"]][:20]:
        output = generation["output"]
        print(
            f"    target {generation['target']}, ours {gsm8k.last_number(output)!r}, theirs {peer} "
            f"in ..{output[-60:]!r}"
        )
    return int(bool(differences["strict"]))


if __name__ == "__main__":
    sys.exit(main())
