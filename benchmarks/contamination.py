"""Recall of the decontamination on planted copies, by benchmark and form, and the clean documents that it removes.

    LEMUR_MIRROR=FOLDER python benchmarks/contamination.py [--items 200] [--clean FILE.jsonl ...]

Takes the benchmarks whole from the mirror. `--clean`: files of JSON lines {text} that hold no item; each that is
removed is printed, to be read. Prints a Markdown table. Minutes long.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

from compared import ROOT, benchmark_sources


def main(size: int, clean: list[Path]) -> None:
    from lemur.core.parameter_blocks import current_blocks
    from lemur.decontamination.index import BenchmarkIndex
    from lemur.decontamination.items import read_items
    from lemur.decontamination.planted import Sample, evaluate
    from lemur.sources.fetch import Params, fetch

    params = current_blocks()["decontaminate_corpus"]
    sample = Sample(size)
    with tempfile.TemporaryDirectory() as work:
        folders = [Path(work) / name for name in benchmark_sources()]
        for folder in folders:
            fetch(Params(place="mirror"), ROOT / "data/sources" / folder.name, files=folder)
        start = time.process_time()
        items = sample.keep(read_items(folders, Counter()))
        index = BenchmarkIndex(items, ngram=params["ngram"], code_ngram=params["code_ngram"])
    seconds, peak = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"index: {sum(row['items'] for row in index.summary().values()):,} items, {seconds:.1f} s, {peak:.0f} MB\n")

    def overlaps(text: str) -> bool:
        return any(match.share >= params["minimum_share"] for match in index.find(text))

    print("| benchmark | form | planted | found |\n|---|---|---|---|")
    for benchmark, row in evaluate(sample.items(), overlaps).items():
        for form, count in {**row["forms"], **row["others"]}.items():
            print(f"| {benchmark} | {form} | {count['planted']} | {count['found']} |")
        print(f"| {benchmark} | recall {row['recall']}, precision {row['precision']} | | |")
    start, read, removed = time.process_time(), 0, 0
    for path in clean:
        with path.open(encoding="utf-8") as lines:
            for text in (json.loads(line)["text"] for line in lines):
                read += 1
                for match in index.find(text)[:1]:
                    if match.share >= params["minimum_share"]:
                        removed += 1
                        print(f"{path.name}:{read} removed: {match}")
    if read:
        print(f"clean: {removed} of {read:,} removed, {read / (time.process_time() - start):.0f} documents/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200, help="items of each benchmark to plant (default 200)")
    parser.add_argument("--clean", type=Path, nargs="*", default=[], help="files of documents that hold no item")
    arguments = parser.parse_args()
    main(arguments.items, arguments.clean)
