"""A stage's shards on a Dask cluster relative to the processes of one machine, and what 1,000 shards cost alone.

    make dask
    python benchmarks/engines.py speed          # decontaminate_corpus, 2 Dask workers relative to 2 local processes
    python benchmarks/engines.py bookkeeping    # 1,000 shards of two small files, map_shards

The stage reads 4 shards of 40 MB, this project's own texts. Both run as commands, with all that they start; the Dask
cluster runs already, on this machine. They take turns, and the fastest of `--repeats` counts.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
SHARDS = 1_000


def speed(folder: Path, repeats: int, engines: dict[str, str]) -> None:
    from tests.corpus.builders import files
    from tests.dask_engine.stage import Stage

    stage = Stage(folder / "stage", shards=2, shard_bytes=40_000_000)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for repeat in range(repeats):
        for name, engine in engines.items():
            start = time.perf_counter()
            process = stage.start(engine, f"{name}-{repeat}")
            _, errors = process.communicate()
            seconds[name].append(time.perf_counter() - start)
            if process.returncode:
                raise SystemExit(errors)
    if len({str(sorted(files(folder / "stage" / f"{name}-0").items())) for name in engines}) != 1:
        raise SystemExit("the engines gave different bytes")
    for name in engines:
        print(f"{name}: {', '.join(f'{value:.1f}' for value in seconds[name])} s")
    print(f"Dask relative to local processes: {min(seconds['local']) / min(seconds['dask']):.2f} (bound 0.9)")


def bookkeeping(folder: Path, repeats: int, engines: dict[str, str]) -> None:
    from lemur.core.shards import Job, map_shards, scratch_beside
    from tests.dask_engine.calls import write

    os.environ["LEMUR_WORKERS"] = "2"
    for name, engine in engines.items():
        os.environ["LEMUR_ENGINE"] = engine
        seconds = []
        for repeat in range(repeats):
            out = folder / f"{name}-{repeat}"
            roles = ("kept", "rejects")
            jobs = [
                Job(f"{index:05d}", (), {role: out / role / f"{index}" for role in roles}) for index in range(SHARDS)
            ]
            start = time.perf_counter()
            with scratch_beside(out / "kept") as scratch:
                if list(map_shards(write, jobs, scratch=scratch)) != [job.name for job in jobs]:
                    raise SystemExit("the results are in another order")
            seconds.append(time.perf_counter() - start)
        print(f"{SHARDS:,} shards, {name}: {', '.join(f'{value:.1f}' for value in seconds)} s (bound 60)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurement", choices=["speed", "bookkeeping"])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    from tests.dask_engine.cluster import DaskCluster

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cluster").mkdir()
        cluster = DaskCluster(folder / "cluster")
        try:
            cluster.start(2)
            engines = {"local": "local", "dask": f"dask:{cluster.file}"}
            globals()[arguments.measurement](folder, arguments.repeats, engines)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
