"""Runs text-dedup's MinHash on documents.jsonl for benchmarks/corpus.py, with the Python of its own environment.

    PYTHON benchmarks/corpus_peer.py documents.jsonl dropped.json

Prints one line of JSON: name, seconds, CPU seconds, peak MB.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from measure import cpu_seconds, peak_mib


def main() -> None:
    source, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    out = target.with_name(f"text_dedup_{time.monotonic_ns()}")
    started, before = time.perf_counter(), cpu_seconds()
    from text_dedup.minhash import main as minhash  # its import counts, as ours does

    options = {
        "path": "json",
        "data_files": source,
        "split": "train",
        "cache_dir": out / "cache",
        "output": out / "kept",
    }
    options |= {"column": "text", "idx_column": "id", "ngram": 5, "min_length": 1, "b": 14, "r": 8, "num_perm": 112}
    options |= {"hash_func": "xxh3", "hash_bits": 32, "num_proc": 1, "batch_size": 1000}
    minhash([f"--{name}={value}" for name, value in options.items()], standalone_mode=False)
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - before

    import datasets

    kept = set(datasets.load_from_disk(str(out / "kept"))["id"])
    target.write_text(
        json.dumps([n for n in range(sum(1 for _ in source.open(encoding="utf-8"))) if n not in kept]), encoding="utf-8"
    )
    name = f"text-dedup {version('text-dedup')}"
    print(json.dumps({"name": name, "seconds": seconds, "cpu": cpu, "mb": peak_mib()}))


if __name__ == "__main__":
    main()
