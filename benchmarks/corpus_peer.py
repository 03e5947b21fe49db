"""Runs another tool's MinHash on documents.jsonl for benchmarks/corpus.py, with the Python of that tool's environment.

    PYTHON benchmarks/corpus_peer.py text-dedup|datatrove documents.jsonl dropped.json

Prints one line of JSON: name, seconds, CPU seconds, peak MB.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from measure import cpu_seconds, peak_mib

BANDS, ROWS, SHINGLE = 14, 8, 5


def text_dedup(source: Path, out: Path) -> set[int]:
    """The numbers of the documents that it keeps."""
    from text_dedup.minhash import main as minhash

    options = {
        "path": "json",
        "data_files": source,
        "split": "train",
        "cache_dir": out / "cache",
        "output": out / "kept",
    }
    options |= {"column": "text", "idx_column": "id", "ngram": SHINGLE, "min_length": 1, "b": BANDS, "r": ROWS}
    options |= {"num_perm": BANDS * ROWS, "hash_func": "xxh3", "hash_bits": 32, "num_proc": 1, "batch_size": 1000}
    minhash([f"--{name}={value}" for name, value in options.items()], standalone_mode=False)
    import datasets

    return set(datasets.load_from_disk(str(out / "kept"))["id"])


def datatrove(source: Path, out: Path) -> set[int]:
    """The same by FineWeb's four steps in one process (examples/minhash_deduplication.py of datatrove)."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig

    config = MinhashConfig(SHINGLE, BANDS, ROWS, hash_config=HashConfig(precision=64, hash_fc="xxhash"))
    reader = JsonlReader(str(source.parent), glob_pattern=source.name)
    signatures, pairs, removed, kept = (str(out / name) for name in ("signatures", "pairs", "removed", "kept"))
    writer = JsonlWriter(kept, output_filename="kept.jsonl", compression=None)
    steps = (
        ([reader, MinhashDedupSignature(signatures, config)], 1),
        ([MinhashDedupBuckets(signatures, pairs, config=config)], BANDS),
        ([MinhashDedupCluster(pairs, removed, config)], 1),
        ([reader, MinhashDedupFilter(removed), writer], 1),
    )
    for number, (step, tasks) in enumerate(steps):
        LocalPipelineExecutor(step, tasks=tasks, workers=1, logging_dir=str(out / f"log{number}")).run()
    with (out / "kept/kept.jsonl").open(encoding="utf-8") as lines:
        return {json.loads(line)["metadata"]["number"] for line in lines}


TOOLS = {"text-dedup": text_dedup, "datatrove": datatrove}


def main() -> None:
    tool, source, target = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    out = target.with_name(f"{tool}_{time.monotonic_ns()}")
    # Its imports count, as ours do.
    started, before = time.perf_counter(), cpu_seconds()
    kept = TOOLS[tool](source, out)
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - before
    documents = sum(1 for _ in source.open(encoding="utf-8"))
    target.write_text(json.dumps([number for number in range(documents) if number not in kept]), encoding="utf-8")
    print(json.dumps({"name": f"{tool} {version(tool)}", "seconds": seconds, "cpu": cpu, "mb": peak_mib()}))


if __name__ == "__main__":
    main()
