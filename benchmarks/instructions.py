"""Speed and memory of the instruction stages, as ratios in one run.

    python benchmarks/instructions.py filter     # English filter: 2 workers to 1; its CPU to bare seeded langdetect's
    python benchmarks/instructions.py dedup      # exact near-duplicates to a bare blocked BLAS triangle
    python benchmarks/instructions.py memory     # peak memory and seconds with ten times the data
    python benchmarks/instructions.py peers      # normalise beside FastChat's cleaning, encode beside TRL's

The texts are the bundled samples' sentences, drawn anew into conversations. Each measurement is a process of its own;
the fastest of `--repeats` counts. `peers` needs `make embed` and `pip install --no-deps fschat==0.2.36 trl==1.16.0`.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
THREADS = str(len(os.sched_getaffinity(0)))


def sentences() -> list[str]:
    """Sentences of the bundled ShareGPT and chatlogs samples, in many languages."""
    rows = json.loads((ROOT / "data/sources/sharegpt/bundled/conversations.json").read_text(encoding="utf-8"))
    turns = [turn["value"] for row in rows for turn in row.get("conversations") or [] if isinstance(turn, dict)]
    found = [part.strip() for turn in turns if isinstance(turn, str) for part in turn.split(". ")]
    return [part for part in found if len(part) > 20]


def conversations(count: int, seed: int = 0) -> list[dict[str, Any]]:
    generator, parts = random.Random(seed), sentences()

    def text(longest: int) -> str:
        return ". ".join(generator.choices(parts, k=generator.randint(1, longest)))

    return [
        {
            "id": str(number),
            "conversations": [{"from": ("human", "gpt")[turn % 2], "value": text(6)} for turn in range(4)],
        }
        for number in range(count)
    ]


def measured(function: Callable[..., Any], *arguments: Any) -> tuple[float, float, float]:
    """Seconds, processor seconds (with children) and peak MB of `function` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(_measured, (function, arguments))


def _measured(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[float, float, float]:
    # In a pool's process children are not allowed, but the filter has some.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    start, before = time.perf_counter(), _cpu()
    function(*arguments)
    seconds, cpu = time.perf_counter() - start, _cpu() - before
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    return seconds, cpu, peak


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def best(repeats: int, function: Callable[..., Any], *arguments: Any) -> tuple[float, float, float]:
    runs = [measured(function, *arguments) for _ in range(repeats)]
    return min(r[0] for r in runs), min(r[1] for r in runs), min(r[2] for r in runs)


def block(stage: str) -> dict[str, Any]:
    from lemur.pipeline.files import PARAMS, read_yaml

    found: dict[str, Any] = read_yaml(PARAMS)[stage]
    return found


# ---- stages ---------------------------------------------------------------------------------------------------------


def normalise(folder: Path) -> None:
    from lemur.instructions.normalise import Params
    from lemur.instructions.normalise import normalise as stage
    from tests.instructions.builders import SOURCES, fetched

    sources = [folder / name for name in SOURCES]
    for source in sources:
        if not source.exists():
            fetched(source, source.name, {})
    stage(
        Params.model_validate(block("normalise")),
        *sources,
        conversations=folder / "normalised.jsonl",
        rejects=folder / "r.jsonl",
        report=folder / "r.json",
    )


def english_filter(folder: Path, workers: int, source: str = "normalised.jsonl") -> None:
    os.environ["LEMUR_WORKERS"] = str(workers)
    from lemur.instructions.english_filter import Params
    from lemur.instructions.english_filter import english_filter as stage

    params = Params.model_validate(block("english_filter"))
    stage(params, folder / source, kept=folder / "english.jsonl", rejects=folder / "r.jsonl", report=folder / "r.json")


def bare_langdetect(folder: Path) -> None:
    from langdetect import DetectorFactory, LangDetectException, detect

    from lemur.instructions.english_filter import judged_text
    from lemur.records import read_jsonl

    DetectorFactory.seed = 0
    for record in read_jsonl(folder / "normalised.jsonl"):
        with contextlib.suppress(LangDetectException):
            detect(judged_text(record))


def encode(folder: Path) -> None:
    from lemur.instructions.encode_instructions import Params, encode_instructions

    shards = folder / "shards"
    params = Params.model_validate(block("encode_instructions"))
    encode_instructions(params, folder / "english.jsonl", folder / "tokenizer", shards=shards, report=folder / "r.json")


def prepare(folder: Path, count: int) -> None:
    from tests.instructions.builders import fetched

    fetched(folder / "sharegpt", "sharegpt", {"a.json": ("sharegpt", conversations(count), {})})


# ---- measurements ---------------------------------------------------------------------------------------------------


def filter_speed(folder: Path, repeats: int) -> None:
    prepare(folder, 6000)
    normalise(folder)
    one, two = best(repeats, english_filter, folder, 1), best(repeats, english_filter, folder, 2)
    bare = best(repeats, bare_langdetect, folder)
    print(f"1 worker {one[0]:.1f} s, 2 workers {two[0]:.1f} s: {one[0] / two[0]:.2f} times faster (wanted: 1.8)")
    print(f"CPU: {one[1]:.1f} s with 1 worker, {two[1]:.1f} s with 2, bare langdetect {bare[1]:.1f} s")
    print(f"CPU to bare: {one[1] / bare[1]:.2f} and {two[1] / bare[1]:.2f} (bound: 1.15)")


def dedup_speed(folder: Path, repeats: int, count: int = 80_000, dimension: int = 768) -> None:
    ours, bare = best(repeats, _find, count, dimension), best(repeats, _triangle, count, dimension)
    print(f"{count:,} x {dimension}: exact search {ours[0]:.1f} s, bare triangle {bare[0]:.1f} s on {THREADS} threads")
    print(f"ratio {ours[0] / bare[0]:.2f} (bound: 1.5), of CPU {ours[1] / bare[1]:.2f}; peak {ours[2]:.0f} MB (2,048)")


def _vectors(count: int, dimension: int) -> Any:
    import numpy as np

    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((count, dimension), dtype=np.float32)
    copies = generator.choice(count, count // 10, replace=False)  # one in twenty is a near-duplicate of another
    vectors[copies[::2]] = vectors[copies[1::2]] + 0.1 * vectors[copies[::2]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _find(count: int, dimension: int) -> None:
    from lemur.instructions.near_duplicates import find

    found = find(_vectors(count, dimension), threshold=0.95, near_margin=0.002, block=1024)
    assert len(found.duplicate_of) >= count // 25


def _triangle(count: int, dimension: int, block: int = 1024) -> None:
    vectors = _vectors(count, dimension)
    for start in range(0, count, block):
        rows = vectors[start : start + block]
        for first in range(0, start + block, 8 * block):
            rows @ vectors[first : min(first + 8 * block, start + block)].T


def memory(folder: Path, repeats: int) -> None:
    from tests.instructions.builders import tokenizer_folder

    rows = {}
    for count in (2000, 20_000):
        place = folder / str(count)
        prepare(place, count)
        tokenizer_folder(place / "tokenizer")
        rows[count] = {
            "normalise": measured(normalise, place),
            "english_filter": measured(english_filter, place, 1),
            "encode_instructions": measured(encode, place),
        }
    for stage, small in rows[2000].items():
        large = rows[20_000][stage]
        print(
            f"{stage}: 2,000 conversations {small[0]:.1f} s, {small[2]:.0f} MB; 20,000 {large[0]:.1f} s, "
            f"{large[2]:.0f} MB: {large[0] / small[0]:.1f} times the time, {large[2] / small[2]:.2f} times the memory"
        )


def peers(folder: Path, repeats: int) -> None:
    from tests.instructions.builders import tokenizer_folder

    prepare(folder, 3000)
    tokenizer_folder(folder / "tokenizer")
    ours, theirs = best(repeats, normalise, folder), best(repeats, _fastchat, folder)
    print(f"normalise: CPU {ours[1]:.1f} s, FastChat's clean_sharegpt {theirs[1]:.1f} s: {ours[1] / theirs[1]:.2f}")
    english_filter(folder, 1)
    ours, theirs = _encode_fresh(folder, repeats), best(repeats, _trl, folder)
    print(f"encode and pack: CPU {ours[1]:.1f} s, TRL {theirs[1]:.1f} s: {ours[1] / theirs[1]:.2f}")


def _encode_fresh(folder: Path, repeats: int) -> tuple[float, float, float]:
    import shutil

    runs = []
    for _ in range(repeats):
        shutil.rmtree(folder / "shards", ignore_errors=True)
        runs.append(measured(encode, folder))
    return min(r[0] for r in runs), min(r[1] for r in runs), min(r[2] for r in runs)


def _fastchat(folder: Path) -> None:
    from fastchat.data.clean_sharegpt import clean_html_one_sample

    rows = json.loads((folder / "sharegpt/files/a.json").read_text(encoding="utf-8"))
    cleaned = [clean_html_one_sample(row)[0] for row in rows]
    (folder / "fastchat.json").write_text(json.dumps(cleaned, ensure_ascii=False), encoding="utf-8")


def _trl(folder: Path) -> None:
    """What TRL's SFT trainer does with a data set of messages: chat template with the loss mask, then packing."""
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.data_utils import pack_dataset

    tokenizer = AutoTokenizer.from_pretrained(folder / "shards/tokenizer")

    def tokens(batch: dict[str, Any]) -> dict[str, Any]:
        found = tokenizer.apply_chat_template(
            batch["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        return {"input_ids": found["input_ids"], "assistant_masks": found["assistant_masks"]}

    data = load_dataset("json", data_files=str(folder / "english.jsonl"), split="train", cache_dir=str(folder / "hf"))
    data = data.map(tokens, batched=True, remove_columns=data.column_names)
    pack_dataset(data, seq_length=512, strategy="bfd", map_kwargs={"batch_size": 1000}).save_to_disk(folder / "packed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measurements = {"filter": filter_speed, "dedup": dedup_speed, "memory": memory, "peers": peers}
    parser.add_argument("what", choices=measurements)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", THREADS)
    with tempfile.TemporaryDirectory() as folder:
        measurements[arguments.what](Path(folder), arguments.repeats)


if __name__ == "__main__":
    main()
