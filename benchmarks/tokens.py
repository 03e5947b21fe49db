"""Speed of tokenising and packing, in CPU seconds of one core, as ratios in one run.

    python benchmarks/tokens.py tokenize    # tokenize_corpus against `tokenizers` alone and against datatrove
    python benchmarks/tokens.py pack        # pack_corpus against its parts: packing, filling, writing

`tokenize` reads the corpus built here. `pack` packs documents cut from its tokens, with gamma lengths of mean `--mean`.
Measurements take turns, each in its own process, imports excluded; the fastest of `--repeats` counts.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import best_in_turn, cpu_seconds

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
SHARDS = 3  # of each source of the store to pack


def _bare(train: Path, tokenizer: Path) -> tuple[int, float]:
    """`tokenizers` on all texts in one list, neither reading nor writing."""
    from lemur.corpus.documents import read_documents
    from lemur.tokens.tokenizers.tokenizer_folder import open_folder

    model = open_folder(tokenizer)
    texts = [record["text"] for record in read_documents(train)]
    before = cpu_seconds()
    tokens = sum(len(encoding.ids) for encoding in model.encode_batch_fast(texts, add_special_tokens=False))
    return tokens, cpu_seconds() - before


def _stage(train: Path, tokenizer: Path) -> tuple[int, float]:
    """`tokenize_corpus`, from documents to a token store."""
    import tqdm  # noqa: F401

    import lemur.tokens.token_store  # noqa: F401
    import lemur.tokens.tokenizers.tokenizer_folder  # noqa: F401

    with tempfile.TemporaryDirectory() as name:
        before = cpu_seconds()
        report = _tokenize(train, tokenizer, Path(name))
        return report["tokens"], cpu_seconds() - before


def _datatrove(train: Path, tokenizer: Path) -> tuple[int, float]:
    """datatrove's reader and `DocumentTokenizer`, from the same files to its files of tokens, not shuffled."""
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens.tokenizer import DocumentTokenizer

    with tempfile.TemporaryDirectory() as name:
        before = cpu_seconds()
        reader = JsonlReader(str(train), glob_pattern="*.jsonl")
        model = str(tokenizer / "tokenizer.json")
        writer = DocumentTokenizer(name, model, eos_token="</s>", shuffle_documents=False)
        writer.run(reader.run())
        tokens = sum(path.stat().st_size for path in Path(name).glob("*.ds")) // 2
        return tokens, cpu_seconds() - before


def _tokenize(train: Path, tokenizer: Path, folder: Path) -> dict[str, int]:
    from lemur.tokens.tokenize_corpus import Params, tokenize_corpus

    params = Params(begin=True, end=True)
    tokenize_corpus(params, train, tokenizer, tokens=folder / "tokens", report=folder / "report.json")
    report: dict[str, int] = json.loads((folder / "report.json").read_bytes())
    return report


def tokenize(arguments: argparse.Namespace) -> None:
    inputs = (arguments.train, arguments.tokenizer)
    sides = {"tokenizers alone": _bare, "tokenize_corpus": _stage, "datatrove": _datatrove}
    rounds = [best_in_turn(1, *((side, *inputs) for side in sides.values())) for _ in range(arguments.repeats)]
    fastest = [min((run.result for run in runs), key=lambda result: result[1]) for runs in zip(*rounds, strict=True)]
    for name, (tokens, seconds) in zip(sides, fastest, strict=True):
        ratio = seconds / fastest[1][1]
        print(f"{name:17} {tokens:,} tokens in {seconds:.2f} s; rate of tokenize_corpus to it {ratio:.3f}")


# ---- packing --------------------------------------------------------------------------------------------------------


def _write_store(folder: Path, ids: np.ndarray, documents: int, mean: float) -> None:
    """A store of two sources with pieces of `ids`, and the mixture of all of it."""
    from lemur.corpus.sources import SOURCES
    from lemur.tokens.mix_corpus import Params, mix_corpus
    from lemur.tokens.token_store import write_manifest, write_shard

    rng = np.random.default_rng(0)
    chosen = ("python", "books")
    shards = {}
    (folder / "store").mkdir()
    for source in SOURCES:
        rows = []
        for number in range(SHARDS):
            count = documents // (SHARDS * len(chosen)) if source in chosen else 0
            lengths = np.maximum(1, rng.gamma(2.0, mean / 2, count)).astype(np.int64)
            starts = rng.integers(0, len(ids) - lengths, count)
            path = folder / "store" / f"{source}-{number:05d}"
            pieces = (ids[start : start + size] for start, size in zip(starts, lengths, strict=True))
            rows.append(write_shard(Path(f"{path}.npy"), Path(f"{path}.borders.npy"), 1 << 16, pieces))
        shards[source] = rows
    write_manifest(folder / "store", 1 << 16, 1, 2, shards)
    weights = {source: float(source in chosen) for source in SOURCES}
    params = Params.model_validate({"total_tokens": 10**15, "weights": weights, "max_epochs": 1.0, "seed": 0})
    mix_corpus(params, folder / "store", mixture=folder / "mixture.json", report=folder / "mix.json")


def _packing(folder: Path, length: int, policy: str, window: int) -> tuple[int, int, dict[str, float]]:
    """Documents, tokens, and CPU seconds: of the stage; of a window's packing, filling and writing, times windows."""
    from lemur.core.records import read_json
    from lemur.tokens import pack_corpus as stage
    from lemur.tokens.packing import pack
    from lemur.tokens.shards import ShardFile

    values = {"sequence_length": length, "policy": policy, "window_documents": window, "min_piece_tokens": 2}
    params = stage.Params.model_validate(values)
    inputs = stage._open(params, folder / "store", folder / "mixture.json")
    source, number = inputs.order[:window]
    lengths = np.empty(len(source), np.int64)
    for index in np.unique(source).tolist():
        lengths[source == index] = inputs.store.lengths(inputs.order.sources[index], number[source == index])
    seconds = {}
    before = cpu_seconds()
    packing = pack(lengths, length, policy)  # type: ignore[arg-type]
    seconds["packing"] = cpu_seconds() - before
    flat = inputs.store.read("python", np.arange(inputs.store.documents("python"))).ids
    starts = np.random.default_rng(0).integers(0, len(flat) - packing.length)
    pieces = stage.Pieces(packing.sequence, np.zeros_like(starts), starts, starts + packing.length)
    before = cpu_seconds()
    blocks = list(stage._sequences(length, pieces, {0: flat}, 1))
    seconds["filling"] = cpu_seconds() - before
    with tempfile.TemporaryDirectory(dir=folder) as name:
        before = cpu_seconds()
        file = ShardFile(Path(name) / "shard", inputs.layout)
        for block in blocks:
            file.write(block)
        file.close()
        seconds["writing"] = cpu_seconds() - before
        share = read_json(folder / "mixture.json")["tokens"] / int(lengths.sum())
        seconds = {part: value * share for part, value in seconds.items()}
        before = cpu_seconds()
        stage.pack_corpus(
            params,
            folder / "store",
            folder / "mixture.json",
            shards=Path(name) / "shards",
            report=Path(name) / "report.json",
        )
        seconds["stage"] = cpu_seconds() - before
        report = read_json(Path(name) / "report.json")
    return report["documents"], report["tokens_in"], seconds


def pack(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _tokenize(arguments.train, arguments.tokenizer, folder)
        ids = np.concatenate([np.load(path) for path in sorted(folder.glob("tokens/*[0-9].npy"))])
        _write_store(folder, ids, arguments.documents, arguments.mean)
        cases = [(length, policy) for length in (512, 4096) for policy in ("best_fit", "concat")]
        calls = [(_packing, folder, length, policy, arguments.window) for length, policy in cases]
        rounds = [best_in_turn(1, *calls) for _ in range(arguments.repeats)]
        for case, runs in zip(cases, zip(*rounds, strict=True), strict=True):
            documents, tokens, _ = runs[0].result
            best = {part: min(run.result[2][part] for run in runs) for part in runs[0].result[2]}
            parts = ", ".join(f"{part} {1e9 * seconds / tokens:.1f}" for part, seconds in best.items())
            core = best["packing"] + best["filling"] + best["writing"]
            print(f"{case}: {documents:,} documents, {tokens:,} tokens; ns of CPU a token: {parts}")
            print(
                f"    stage {documents / best['stage']:,.0f} documents/s, {tokens / best['stage'] / 1e6:.1f} million "
                f"tokens/s: {core / best['stage']:.2f} of packing, filling and writing alone"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurement", choices=["tokenize", "pack"])
    parser.add_argument("--train", type=Path, default=ROOT / "data/corpus/train", help="folder of documents")
    parser.add_argument("--tokenizer", type=Path, default=ROOT / "models/tokenizer", help="folder of the tokenizer")
    parser.add_argument("--documents", type=int, default=200_000, help="to pack (200000)")
    parser.add_argument("--mean", type=float, default=100.0, help="tokens of a document to pack (100)")
    parser.add_argument("--window", type=int, default=65_536, help="window_documents of `pack` (65536)")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    os.environ |= {"LEMUR_WORKERS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    commands: dict[str, Callable[[argparse.Namespace], None]] = {"tokenize": tokenize, "pack": pack}
    commands[arguments.measurement](arguments)


if __name__ == "__main__":
    main()
