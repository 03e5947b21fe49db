"""Speed and memory of the corpus stages, as ratios in one run.

    python benchmarks/corpus.py memory [--picture FILE]  # peak memory and time for 1, 3 and 10 times the data
    python benchmarks/corpus.py loader                   # the loader's rate against the demo model's
    python benchmarks/corpus.py dedup --peer NAME=PYTHON # dedup_corpus against text-dedup or datatrove

`memory` and `dedup` compose their documents from the corpus built here: prose from the words of its books and, for
`memory`, as many programs from the lines of its code, with copies whose identifiers are renamed. `loader` reads its
artifacts. Each measurement runs in its own process; the fastest of `--repeats` counts. NAME is text-dedup or datatrove,
PYTHON that of an environment with it (`uv venv D; uv pip install --python D text-dedup==0.4.0`, or for datatrove
`datatrove[processing]==0.10.1 spacy orjson`).
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

from compared import benchmark_sources
from corpus_documents import ROOT, corpus
from measure import measure

PEER = Path(__file__).with_name("corpus_peer.py")


def block(name: str) -> Any:
    from lemur.core.parameter_blocks import current_blocks

    value = current_blocks()
    for key in name.split("."):
        value = value[key]
    return value


# ---- stages ---------------------------------------------------------------------------------------------------------


def clean(folder: Path) -> None:
    from lemur.corpus.clean_corpus import Params, clean_corpus
    from lemur.corpus.sources import SOURCES

    params = Params.model_validate({**block("clean_corpus"), "max_bytes": dict.fromkeys(SOURCES)})
    names = ("stack", "refinedweb", "wikipedia", "books", "arxiv", "stackexchange", "dm_mathematics")
    raw = [folder / "raw" / name for name in names]
    clean_corpus(params, raw, documents=folder / "cleaned", rejects=folder / "c", report=folder / "clean_corpus.json")


def dedup(folder: Path, documents: str = "cleaned", out: str = "distinct", planted: bool = True) -> None:
    from lemur.corpus.dedup_corpus import Params, dedup_corpus

    params = Params.model_validate({**block("dedup_corpus"), **({} if planted else {"planted": 0})})
    dedup_corpus(
        params,
        folder / documents,
        distinct=folder / out,
        rejects=folder / "d",
        clusters=folder / "clusters.jsonl",
        report=folder / "dedup_corpus.json",
    )


def decontaminate(folder: Path) -> None:
    from lemur.corpus.decontaminate_corpus import Params, decontaminate_corpus

    params = Params.model_validate(block("decontaminate_corpus"))
    benchmarks = [ROOT / "data/raw" / name for name in benchmark_sources()]
    decontaminate_corpus(
        params,
        folder / "distinct",
        benchmarks,
        kept=folder / "kept",
        rejects=folder / "b",
        report=folder / "b.json",
    )


def split(folder: Path) -> None:
    from lemur.corpus.split_corpus import Params, split_corpus

    params = Params.model_validate(block("split_corpus"))
    split_corpus(params, folder / "kept", train=folder / "train", heldout=folder / "heldout", report=folder / "s.json")


def tokenise(folder: Path) -> None:
    from lemur.tokens.tokenize_corpus import Params, tokenize_corpus

    params = Params.model_validate(block("tokenize_corpus"))
    model = ROOT / "models/tokenizer"
    tokenize_corpus(params, folder / "train", model, tokens=folder / "tokens", report=folder / "tokenize_corpus.json")


def mix(folder: Path) -> None:
    from lemur.tokens.mix_corpus import Params, mix_corpus

    report = json.loads((folder / "tokenize_corpus.json").read_bytes())
    weights = {source: float(row["tokens"]) for source, row in report["sources"].items()}
    params = Params(total_tokens=report["tokens"], weights=weights, max_epochs=1.0, seed=0)  # type: ignore[arg-type]
    mix_corpus(params, folder / "tokens", mixture=folder / "mixture.json", report=folder / "m.json")


def pack(folder: Path) -> None:
    from lemur.tokens.pack_corpus import Params, pack_corpus

    # Small enough to be full at every size: memory grows while a window fills.
    params = Params.model_validate({**block("pack_corpus"), "window_documents": WINDOW})
    pack_corpus(
        params, folder / "tokens", folder / "mixture.json", shards=folder / "shards", report=folder / "pack.json"
    )


WINDOW = 2000  # documents packed together in `memory`

STAGES: dict[str, Callable[[Path], None]] = {
    "clean_corpus": clean,
    "dedup_corpus": dedup,
    "decontaminate_corpus": decontaminate,
    "split_corpus": split,
    "tokenize_corpus": tokenise,
    "mix_corpus": mix,
    "pack_corpus": pack,
}


def memory(arguments: argparse.Namespace) -> None:
    """Run each stage on 1, 3 and 10 times as many documents, with one worker."""
    os.environ["LEMUR_WORKERS"] = "1"
    sizes = [arguments.documents * factor for factor in (1, 3, 10)]
    runs: dict[str, list[tuple[int, float, float]]] = {name: [] for name in STAGES}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            corpus(folder, size, code=arguments.code)
            megabytes = sum(path.stat().st_size for path in folder.rglob("*.jsonl")) / 1e6
            for stage, function in STAGES.items():
                run = measure(function, folder)
                runs[stage].append((size, run.cpu, run.peak))
                data = f"{size:7} documents, {megabytes:6.1f} MB"
                print(f"{stage:20} {data}: {run.cpu:7.2f} s of CPU, peak {run.peak:6.0f} MiB")
            report = json.loads((folder / "dedup_corpus.json").read_bytes())
            print(f"dedup_corpus compared {report['compared_pairs']} pairs and dropped {report['dropped']}")
    for stage, rows in runs.items():
        (first, *_, last) = rows
        print(
            f"{stage:20} 10 times the data: {last[1] / first[1]:5.2f} times the CPU time, "
            f"{last[2] / first[2]:4.2f} times the memory"
        )
    if arguments.picture:
        _draw(runs, arguments.picture)


def _draw(runs: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    from lemur.pages.figures import picture

    with picture(path, 9, 3.6, "Corpus stages on 1, 3 and 10 times the data, one worker") as figure:
        panels = figure.subplots(1, 2)
        for axes, column, title in zip(panels, (1, 2), ("CPU seconds", "Peak memory, MB"), strict=True):
            for stage, rows in runs.items():
                axes.plot(
                    [row[0] / 1000 for row in rows], [row[column] for row in rows], "o-", label=stage, markersize=4
                )
            axes.set_title(title)
            axes.set_xlabel("thousand documents")
            axes.set_ylim(bottom=0)
        panels[0].legend(frameon=False, fontsize=8)


# ---- loader -------------------------------------------------------------------------------------


def _loading_rate(batches: int) -> float:
    """Batches per second of the loader alone."""
    from lemur.tokens.loader import Loader
    from lemur.tokens.shards import open_shards

    loader = Loader(open_shards(ROOT / "data/corpus/packed_lemur"), block("continued_pretraining")["batch_size"], 0)
    for _ in range(20):
        next(loader)
    started = time.perf_counter()
    for _ in range(batches):
        next(loader)
    return batches / (time.perf_counter() - started)


def _training_rate(steps: int) -> float:
    """Steps per second of the demo model, without compilation, held-out losses and checkpoints."""
    from lemur.model import folder
    from lemur.tokens.shards import open_shards
    from lemur.training.continued_pretraining import Params
    from lemur.training.loop import train

    params = Params.model_validate({**block("continued_pretraining"), "steps": steps})
    times = []
    for count in (steps // 5, steps):  # compilation cancels out in the difference
        _, start = folder.load(ROOT / "models/base", dtype=params.compute_dtype, remat=params.remat, mesh=None)
        shards = open_shards(ROOT / "data/corpus/packed_lemur")
        with tempfile.TemporaryDirectory() as name:
            os.chdir(name)
            started = time.perf_counter()
            train(start, shards, params, steps=count, origin="", curve=Path(name) / "c.csv")
            times.append(time.perf_counter() - started)
    return (steps - steps // 5) / (times[1] - times[0])


def loader_ratio(arguments: argparse.Namespace) -> None:
    batches = max(measure(_loading_rate, 400).result for _ in range(arguments.repeats))
    steps = max(measure(_training_rate, 100).result for _ in range(arguments.repeats))
    print(f"loader {batches:,.0f} batches/s, demo training {steps:,.1f} steps/s: ratio {batches / steps:.1f}")


# ---- near-duplicates ------------------------------------------------------------------------------------------------


def _exact_clusters(documents: list[tuple[str, int]]) -> list[int]:
    """For each document the first one of its cluster: those of one original that pairs join whose exact Jaccard
    similarity is at least 0.7, of runs of 5 words without case and punctuation, as both peers see them. Passages of
    different originals have nothing in common."""
    copies: dict[int, list[int]] = {}
    for number, (_, original) in enumerate(documents):
        copies.setdefault(original, []).append(number)
    first = list(range(len(documents)))
    for members in (members for members in copies.values() if len(members) > 1):
        words = [re.findall(r"\w+", documents[number][0].lower()) for number in members]
        sets = [{tuple(each[at : at + 5]) for at in range(len(each) - 4)} for each in words]
        for (a, one), (b, other) in combinations(zip(members, sets, strict=True), 2):
            if len(one & other) >= 0.7 * len(one | other):
                low, high = sorted((first[a], first[b]))
                for member in members:
                    first[member] = low if first[member] == high else first[member]
    return first


def _scores(dropped: set[int], truth: list[int]) -> tuple[float, float, float]:
    """Precision, recall and F1 of the dropped documents. A drop is correct if another one of its cluster stays."""
    groups: dict[int, list[int]] = {}
    for number, original in enumerate(truth):
        groups.setdefault(original, []).append(number)
    copies = {number for members in groups.values() for number in members[1:]}
    kept_groups = {original for original, members in groups.items() if any(each not in dropped for each in members)}
    correct = 0
    for members in groups.values():
        dropped_members = [member for member in members if member in dropped]
        correct += len(dropped_members) if members[0] in kept_groups else len(dropped_members) - 1
    precision, recall = correct / max(len(dropped), 1), correct / max(len(copies), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def dedup_ratio(arguments: argparse.Namespace) -> None:
    """Both remove near-duplicates from the same documents with 14 bands of 8 rows and 5-word shingles, one worker."""
    from lemur.core.rejects import read_rejects
    from tests.corpus.builders import corpus as write_corpus
    from tests.corpus.builders import document

    os.environ["LEMUR_WORKERS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = corpus(folder, arguments.documents)
        truth = _exact_clusters(documents)
        write_corpus(
            folder / "cleaned", [document("refinedweb", text, f"{n:08d}") for n, (text, _) in enumerate(documents)]
        )
        with (folder / "documents.jsonl").open("w", encoding="utf-8") as lines:
            for number, (text, _) in enumerate(documents):
                lines.write(json.dumps({"text": text, "id": number, "metadata": {"number": number}}) + "\n")
        size = (folder / "documents.jsonl").stat().st_size / 1e6
        print(f"{len(documents)} documents, {size:.0f} MB", flush=True)
        del documents
        ours = min(
            (measure(dedup, folder, "cleaned", f"distinct{n}", False) for n in range(arguments.repeats)),
            key=lambda run: run.cpu,
        )
        dropped = {int(reject["record"]["id"]) for reject in read_rejects(folder / "d")}
        _show("dedup_corpus", ours.seconds, ours.cpu, ours.peak, _scores(dropped, truth))
        for tool, _, python in (peer.partition("=") for peer in arguments.peer):
            runs = []
            for _ in range(arguments.repeats):
                result = subprocess.run(
                    [python, PEER, tool, folder / "documents.jsonl", folder / "peer.json"],
                    check=True, capture_output=True, cwd=folder, encoding="utf-8"
                )  # fmt: skip
                runs.append(json.loads(result.stdout.splitlines()[-1]))
            peer = min(runs, key=lambda run: run["cpu"])
            dropped = set(json.loads((folder / "peer.json").read_bytes()))
            _show(peer["name"], peer["seconds"], peer["cpu"], peer["mb"], _scores(dropped, truth))
            print(f"CPU time of {peer['name']} to ours: {peer['cpu'] / ours.cpu:.2f}")


def _show(name: str, seconds: float, cpu: float, peak: float, scores: tuple[float, float, float]) -> None:
    precision, recall, f1 = scores
    print(
        f"{name:24} {seconds:6.1f} s, {cpu:6.1f} s of CPU, {peak:5.0f} MB; precision {precision:.4f}, "
        f"recall {recall:.4f}, F1 {f1:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurement", choices=["memory", "loader", "dedup"])
    parser.add_argument("--documents", type=int, default=5000, help="number in the smallest measurement (5000)")
    parser.add_argument("--code", type=float, default=0.5, help="share of programs in the documents of `memory` (0.5)")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--picture", type=Path, help="PNG file for the curves of `memory`")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    arguments = parser.parse_args()
    commands = {
        "memory": memory, "loader": loader_ratio, "dedup": dedup_ratio,
    }  # fmt: skip
    commands[arguments.measurement](arguments)


if __name__ == "__main__":
    main()
