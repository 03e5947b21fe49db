"""`lemur eval`: benchmarks as their stages run them, on a model that no stage knows, and compared with a second one."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from lemur.any_model.benchmarks import Benchmark
from lemur.any_model.target import Target
from lemur.core.params import StageParams
from lemur.core.records import Record, read_json, write_json
from lemur.inference.server_model import ServerError

Params = Mapping[str, StageParams]


def evaluate(target: Target, asked: Sequence[Benchmark], params: Params, output: Path) -> dict[str, Record]:
    """Ask the model; write `output`/BENCHMARK.json and .jsonl. Returns the results by benchmark. Raises `SystemExit`
    with the server's answer if a server fails."""
    results = {}
    output.mkdir(parents=True, exist_ok=True)
    with _served_by(target.url):
        for benchmark in asked:
            result, samples = output / f"{benchmark.name}.json", output / f"{benchmark.name}.jsonl"
            partial = [path.with_name(f".{path.name}.partial") for path in (result, samples)]
            try:
                benchmark.run(params[benchmark.name], target.folder, partial[0], partial[1])
                for done, path in zip(partial, (result, samples), strict=True):
                    done.rename(path)
            except ServerError as error:
                raise SystemExit(f"{benchmark.name}: {error}") from None
            finally:
                for path in partial:
                    path.unlink(missing_ok=True)
            results[benchmark.name] = read_json(result)
    return results


def compare(first: Path, second: Path, asked: Sequence[Benchmark], names: tuple[str, str]) -> list[Record]:
    """The samples in two folders, item by item, as the stage `comparisons` compares: a record per benchmark and rule.
    Also written to `first`/comparison.json. A benchmark without verdicts, such as bits per byte, has none."""
    from lemur.evaluation.comparing.paired import compare_samples
    from lemur.evaluation.comparisons import CLUSTERS

    records: list[Record] = []
    for benchmark in asked:
        file = f"{benchmark.name}.jsonl"
        if (first / file).stat().st_size and (second / file).stat().st_size:
            cluster = CLUSTERS.get(benchmark.name, lambda sample: str(sample["id"]))
            pair = {"benchmark": benchmark.name, "model": names[0], "against": names[1]}
            for rule, comparison in compare_samples(first / file, second / file, cluster).items():
                records.append({**pair, "rule": rule, **asdict(comparison)})
    write_json(first / "comparison.json", {"comparisons": records})
    return records


@contextmanager
def _served_by(url: str | None) -> Iterator[None]:
    """LEMUR_SERVER is `url` meanwhile, if that is not None."""
    before = os.environ.get("LEMUR_SERVER")
    if url is not None:
        os.environ["LEMUR_SERVER"] = url
    try:
        yield
    finally:
        if url is not None:
            os.environ.pop("LEMUR_SERVER")
            if before is not None:
                os.environ["LEMUR_SERVER"] = before
