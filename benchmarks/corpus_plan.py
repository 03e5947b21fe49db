"""What `lemur plan-data` predicts for each corpus stage, and what the stage takes: processor seconds with two workers.

    python benchmarks/corpus_plan.py demo                          # the fetched sources of the demo, all of them
    python benchmarks/corpus_plan.py synthetic --documents 90000   # composed of words and code of the corpus built here

Both need a built demo. Processor time grows by up to a half when other programs keep all cores busy, here as in the
calibration, so compare only what was measured under the same load; `--calibrate` measures the rates right before.
"""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from corpus_documents import ROOT, corpus

if TYPE_CHECKING:
    from lemur.planning.corpus_rates import Work


def _demo(folder: Path) -> None:
    raw = folder / "data/raw"
    raw.mkdir(parents=True)
    for source in (ROOT / "data/raw").iterdir():
        (raw / source.name).symlink_to(source.resolve())


def _synthetic(folder: Path, documents: int) -> None:
    from lemur.planning.calibration import Sample, write

    write(folder, Sample(0.0, 0.0))  # for the benchmarks' items
    corpus(folder / "data", documents, code=0.5)


def _raw_work(folder: Path) -> "Work":
    from lemur.corpus.readers import read
    from lemur.corpus.readers.raw import RawDocument
    from lemur.planning.corpus_rates import Work
    from lemur.planning.corpus_stages import entry
    from lemur.sources.fetched import load

    files, total = 0, {"code": 0.0, "text": 0.0}
    for dep in entry("clean_corpus")["deps"]:
        if dep.startswith("data/raw/"):
            source = load(folder / dep)
            files += len(source.files)
            for document in (each for file in source.files for each in read(file)):
                if isinstance(document, RawDocument):
                    total["code" if source.name == "stack" else "text"] += len(document.text.encode()) / 1e6
    return Work(files, **total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=["demo", "synthetic"])
    parser.add_argument("--documents", type=int, default=90_000, help="of the synthetic corpus (90000: about 150 MB)")
    parser.add_argument("--rates", type=Path, help="file of rates; else as `lemur plan-data`")
    parser.add_argument("--calibrate", action="store_true", help="measure the rates first")
    arguments = parser.parse_args()

    from lemur.planning.calibration import measure_rates, measurements, predicted_seconds
    from lemur.planning.corpus_rates import load

    rates = measure_rates() if arguments.calibrate else load(arguments.rates)[1]
    totals = [0.0, 0.0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _demo(folder) if arguments.corpus == "demo" else _synthetic(folder, arguments.documents)
        raw = _raw_work(folder)
        print(f"{'stage':20} {'code':>7} {'text':>7} {'predicted':>10} {'measured':>10} {'ratio':>6} {'driver':>14}")
        for stage, work, run in measurements(folder, raw, repeats=1):
            predicted = predicted_seconds(rates.stages[stage], work)
            measured = run["driver_seconds"] + run["workers_seconds"]
            totals = [totals[0] + predicted, totals[1] + measured]
            memory = f"{run['driver_mb']:.0f}, {run['worker_mb']:.0f} MB"
            sizes = f"{work.code:7.1f} {work.text:7.1f}"
            driver = f"{rates.stages[stage].driver_seconds.at(work):6.1f} {run['driver_seconds']:6.1f} s"
            ratio = f"{measured / predicted:6.2f}"
            print(f"{stage:20} {sizes} {predicted:8.1f} s {measured:8.1f} s {ratio} {driver}; {memory}", flush=True)
    print(f"{'all':20} {'':15} {totals[0]:8.1f} s {totals[1]:8.1f} s {totals[1] / totals[0]:6.2f}")


if __name__ == "__main__":
    main()
