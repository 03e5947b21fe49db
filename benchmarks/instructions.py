"""Speed and memory of the instruction stages, as ratios in one run. Needs a built demo (`make reproduce`).

    python benchmarks/instructions.py workers     # the stages of shards: 2 workers against 1
    python benchmarks/instructions.py langdetect  # its CPU time against bare seeded langdetect's
    python benchmarks/instructions.py dedup       # exact near-duplicates against a bare blocked BLAS triangle
    python benchmarks/instructions.py memory      # peak memory and seconds of each stage with ten times the data
    python benchmarks/instructions.py peers       # normalise against FastChat's cleaning, encode against TRL's

The texts are sentences of the bundled samples, shuffled into conversations. Each measurement runs in its own process;
of `--repeats` the fastest counts, with `workers` the median of the ratios. `peers` needs `make embed` and
`pip install --no-deps fschat==0.2.36 trl==1.16.0`.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from compared import benchmark_sources
from measure import best_in_turn, measure
from rounds import alternate, ratio

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
THREADS = str(len(os.sched_getaffinity(0)))
PER_FILE = 2000  # conversations; one worker reads a file


def params(stage: str, block: str = "") -> Any:
    """The stage's `Params` with the values of params.yaml."""
    from importlib import import_module

    from lemur.core.parameter_blocks import current_blocks

    values = current_blocks()[stage]
    return import_module(f"lemur.instructions.{stage}").Params.model_validate(values[block] if block else values)


# ---- data -----------------------------------------------------------------------------------------------------------


def sentences() -> list[str]:
    """Sentences of the bundled ShareGPT sample, in many languages."""
    rows = json.loads((ROOT / "data/sources/sharegpt/bundled/conversations.json").read_text(encoding="utf-8"))
    turns = [turn["value"] for row in rows for turn in row.get("conversations") or [] if isinstance(turn, dict)]
    parts = [part.strip() for turn in turns if isinstance(turn, str) for part in turn.split(". ")]
    return [part for part in parts if len(part) > 20]


def raw(folder: Path, count: int, html: bool = False) -> None:
    """Write a fetched source of `count` conversations of four turns of one to six sentences; `html`: HTML answers."""
    from lemur.core.records import batches
    from tests.instructions.builders import SOURCES, fetched

    generator, parts = random.Random(0), sentences()

    def value(turn: int) -> str:
        text = ". ".join(generator.choices(parts, k=generator.randint(1, 6)))
        return f'<div class="markdown prose"><p>{text}</p></div>' if html and turn % 2 else text

    rows = [
        {"id": str(number), "conversations": [{"from": ("human", "gpt")[t % 2], "value": value(t)} for t in range(4)]}
        for number in range(count)
    ]
    files = {f"{number:05d}.json": ("sharegpt", batch, {}) for number, batch in enumerate(batches(rows, PER_FILE))}
    for source in SOURCES:
        fetched(folder / source, source, files if source == "sharegpt" else {})


def prepare(folder: Path, count: int) -> None:
    raw(folder, count)
    normalise(folder)


def new(**folders: Path) -> dict[str, Path]:
    """The folders, for a stage to make; what an earlier repeat left in them is removed."""
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
    return folders


# ---- stages ---------------------------------------------------------------------------------------------------------


def normalise(folder: Path) -> None:
    from lemur.instructions.normalise import normalise as stage
    from tests.instructions.builders import SOURCES

    out = new(conversations=folder / "normalised", rejects=folder / "rejects")
    stage(params("normalise"), [folder / source for source in SOURCES], **out, report=folder / "r.json")


def english_filter(folder: Path) -> None:
    from lemur.instructions.english_filter import english_filter as stage

    out = new(kept=folder / "english", rejects=folder / "rejects")
    stage(params("english_filter"), folder / "normalised", **out, report=folder / "r.json")


def embed(folder: Path) -> None:
    from lemur.instructions.embed_instructions import embed_instructions

    model = ROOT / "data/raw/embedding_model"
    out = new(vectors=folder / "vectors")
    embed_instructions(params("embed_instructions"), folder / "english", model, **out, report=folder / "r.json")


def semantic_dedup(folder: Path) -> None:
    from lemur.instructions.semantic_dedup import semantic_dedup as stage

    out = {"kept": folder / "distinct.jsonl", "rejects": folder / "r.jsonl", "report": folder / "r.json"}
    stage(params("semantic_dedup", "text"), folder / "english", folder / "vectors", **out)


def mix(folder: Path) -> None:
    from lemur.instructions.mix_instructions import mix_instructions

    (folder / "code.jsonl").touch()
    benchmarks = [ROOT / "data/raw" / name for name in benchmark_sources()]
    out = {"instructions": folder / "mixed.jsonl", "rejects": folder / "r.jsonl", "report": folder / "r.json"}
    mix_instructions(params("mix_instructions"), folder / "distinct.jsonl", folder / "code.jsonl", benchmarks, **out)


def encode(folder: Path, source: str = "mixed.jsonl") -> None:
    from lemur.instructions.encode_instructions import encode_instructions

    shutil.rmtree(folder / "shards", ignore_errors=True)
    out = {"shards": folder / "shards", "report": folder / "r.json"}
    encode_instructions(params("encode_instructions"), folder / source, ROOT / "models/tokenizer", **out)


# ---- measurements ---------------------------------------------------------------------------------------------------


def with_workers(workers: int, stage: Callable[[Path], None], folder: Path) -> None:
    os.environ["LEMUR_WORKERS"] = str(workers)
    stage(folder)


def busy_loop(_: Path) -> None:
    """What two workers can reach on this machine at best: arithmetic without memory, files or a start."""
    from lemur.core.parallel import Pool

    with Pool() as pool:
        for _result in pool.map(_add_up, range(40)):
            pass


def _add_up(number: int) -> int:
    for addend in range(5_000_000):
        number += addend
    return number


def worker_speed(folder: Path, repeats: int, count: int = 200_000) -> None:
    prepare(folder, count)
    english_filter(folder)
    for stage in (busy_loop, normalise, english_filter, embed):
        sides = {workers: partial(_speed, with_workers, int(workers), stage, folder) for workers in ("1", "2")}
        rates = alternate(sides, repeats)
        times = ratio(rates["2"], rates["1"])
        goal = "" if stage is busy_loop else f"; goal 1.8: {times.verdict(1.8)}"
        seconds = " and ".join(f"{1 / statistics.median(rates[workers]):.1f}" for workers in sides)
        print(f"{stage.__name__}: {seconds} s with 1 and 2 workers, {times} times faster{goal}", flush=True)


def _speed(*call: Any) -> float:
    return 1 / measure(*call).seconds


def langdetect_cpu(folder: Path, repeats: int, count: int = 8000) -> None:
    prepare(folder, count)
    calls = [(_bare_langdetect, folder), *((with_workers, workers, english_filter, folder) for workers in (1, 2))]
    bare, *ours = best_in_turn(repeats, *calls)
    print(
        f"{count:,} conversations, CPU: bare langdetect {bare.cpu:.1f} s, ours {ours[0].cpu:.1f} and {ours[1].cpu:.1f}"
    )
    print(f"CPU to bare, 1 and 2 workers: {ours[0].cpu / bare.cpu:.2f}, {ours[1].cpu / bare.cpu:.2f} (bound: 1.15)")


def _bare_langdetect(folder: Path) -> None:
    from langdetect import DetectorFactory, LangDetectException, detect

    from lemur.instructions.conversations import read_conversations
    from lemur.instructions.english.keep_or_drop import text_to_judge

    DetectorFactory.seed = 0
    for record in read_conversations(folder / "normalised"):
        with contextlib.suppress(LangDetectException):
            detect(text_to_judge(record))


def dedup_speed(folder: Path, repeats: int, count: int = 80_000, dimension: int = 768) -> None:
    import numpy as np

    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((count, dimension), dtype=np.float32)
    copies = generator.choice(count, count // 10, replace=False)  # one in twenty is a near-duplicate
    vectors[copies[::2]] = vectors[copies[1::2]] + 0.1 * vectors[copies[::2]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(folder / "vectors.npy", vectors)
    del vectors
    ours, bare = best_in_turn(repeats, (_find, folder), (_triangle, folder))
    print(f"{count:,} x {dimension}: exact {ours.seconds:.1f} s, bare triangle {bare.seconds:.1f} s, {THREADS} threads")
    print(f"ratio {ours.seconds / bare.seconds:.2f} (bound: 1.5); peak {ours.peak:.0f} MB (bound: 2,048)")


def _find(folder: Path) -> None:
    import numpy as np

    from lemur.instructions.dedup.near_duplicates import StoredVectors, find_duplicates

    count = len(np.load(folder / "vectors.npy", mmap_mode="r"))
    duplicates = find_duplicates(
        StoredVectors([folder / "vectors.npy"], range(count)), threshold=0.95, near_margin=0.002, block=1024
    )
    assert len(duplicates.duplicate_of) >= count // 25


def _triangle(folder: Path, block: int = 1024) -> None:
    import numpy as np

    vectors = np.load(folder / "vectors.npy")
    for start in range(0, len(vectors), block):
        rows = vectors[start : start + block]
        for first in range(0, start + block, 8 * block):
            rows @ vectors[first : min(first + 8 * block, start + block)].T


def memory(folder: Path, repeats: int, count: int = 2000) -> None:
    stages = {
        "normalise": normalise,
        "english_filter": english_filter,
        "embed_instructions": embed,
        "semantic_dedup": semantic_dedup,
        "mix_instructions": mix,
        "encode_instructions": encode,
    }
    rows = []
    for size in (count, 10 * count):
        raw(folder / str(size), size)
        rows.append({name: measure(stage, folder / str(size)) for name, stage in stages.items()})
    print(f"{count:,} and {10 * count:,} conversations")
    for name in stages:
        small, large = rows[0][name], rows[1][name]
        print(
            f"{name}: {small.seconds:.1f} and {large.seconds:.1f} s, {small.peak:.0f} and {large.peak:.0f} MB "
            f"({large.peak / small.peak:.2f}; {1e6 * (large.peak - small.peak) / (9 * count):.0f} bytes/conversation)"
        )


def peers(folder: Path, repeats: int, count: int = 3000) -> None:
    from lemur.core.records import write_jsonl
    from lemur.instructions.conversations import read_conversations

    for html in (False, True):
        scratch = folder / str(html)
        raw(scratch, count, html)
        ours, theirs = best_in_turn(repeats, (normalise, scratch), (_fastchat, scratch))
        kind = "HTML" if html else "plain text"
        print(f"normalise, {kind}: CPU {ours.cpu:.1f} s, FastChat's cleaning {theirs.cpu:.1f} s", end="")
        print(f": {ours.cpu / theirs.cpu:.2f}")
    english_filter(scratch)
    write_jsonl(scratch / "english.jsonl", read_conversations(scratch / "english"))
    ours, theirs = best_in_turn(repeats, (encode, scratch, "english.jsonl"), (_trl, scratch))
    print(f"encode and pack: CPU {ours.cpu:.1f} s, TRL {theirs.cpu:.1f} s: {ours.cpu / theirs.cpu:.2f}")


def _fastchat(folder: Path) -> None:
    from fastchat.data.clean_sharegpt import clean_html_one_sample

    files = sorted((folder / "sharegpt/files").iterdir())
    rows = [row for path in files for row in json.loads(path.read_text(encoding="utf-8"))]
    cleaned = [clean_html_one_sample(row)[0] for row in rows]
    (folder / "fastchat.json").write_text(json.dumps(cleaned, ensure_ascii=False), encoding="utf-8")


def _trl(folder: Path) -> None:
    """What TRL's SFT trainer does to a data set of messages: chat template with loss mask, then packing."""
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.data_utils import pack_dataset

    tokenizer = AutoTokenizer.from_pretrained(folder / "shards/tokenizer")
    length = params("encode_instructions").sequence_length

    def tokens(batch: dict[str, Any]) -> dict[str, Any]:
        encoded = tokenizer.apply_chat_template(
            batch["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        return {"input_ids": encoded["input_ids"], "assistant_masks": encoded["assistant_masks"]}

    cache = Path(tempfile.mkdtemp(dir=folder))  # without leftovers of an earlier repeat
    data = load_dataset("json", data_files=str(folder / "english.jsonl"), split="train", cache_dir=str(cache))
    data = data.map(tokens, batched=True, remove_columns=data.column_names)
    packed = pack_dataset(data, seq_length=length, strategy="bfd", map_kwargs={"batch_size": 1000})
    packed.save_to_disk(cache / "packed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measurements: dict[str, Callable[..., None]] = {
        "workers": worker_speed,
        "langdetect": langdetect_cpu,
        "dedup": dedup_speed,
        "memory": memory,
        "peers": peers,
    }
    parser.add_argument("measurement", choices=measurements)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--count", type=int, help="number of conversations or vectors instead of the default")
    arguments = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", THREADS)
    more = {"count": arguments.count} if arguments.count else {}
    with tempfile.TemporaryDirectory() as folder:
        measurements[arguments.measurement](Path(folder), arguments.repeats, **more)


if __name__ == "__main__":
    main()
