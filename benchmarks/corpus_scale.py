"""The corpus chain at any size: time, peak memory and disk of each stage, in a temporary clone under DVC.

    python benchmarks/corpus_scale.py FOLDER --gigabytes 1 --files 100            # and one document changed
    python benchmarks/corpus_scale.py FOLDER --gigabytes 1 --files 100 --again 1  # and all again with one worker
    python benchmarks/corpus_scale.py FOLDER --alone split_corpus pack_corpus@lemur  # in the folder of such a run

Needs a built demo and seven times the size on disk. The documents are random pieces of the demo's code and text; seven
of ten are code, one of twenty is a near copy of another. After the build one document is changed and the chain built
again, to see which shards run. `--again`: the bytes must be the same with that many workers. A stopped run goes on
with the stage at which it was stopped: the same command again, before the document is changed. `--alone`: stages
without DVC, whose checksums take one core: two rounds of one worker and two, by turns.
"""

import argparse
import json
import random
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from measure import cpu_seconds

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from lemur.core.disk import file_md5  # noqa: E402
from lemur.core.files import read_yaml  # noqa: E402
from lemur.core.source_shards import read_source  # noqa: E402
from lemur.corpus.sources import SOURCES  # noqa: E402
from tests.corpus.builders import listed  # noqa: E402
from tests.exact.conftest import from_scratch, locked_hashes, variables  # noqa: E402
from tests.leaves import to_yaml  # noqa: E402
from tests.tools import Project  # noqa: E402

STAGES = ("clean_corpus", "dedup_corpus", "decontaminate_corpus", "split_corpus", "tokenizer", "tokenize_corpus")
MODEL_STAGES = ("mix_corpus", "pack_corpus")
LANGUAGES = ("java", "python")
CODE_SHARE, COPIES = 0.7, 0.05
TAKEN = re.compile(r"^\w+: (\d+) of (\d+) shards taken from the cache$", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder for the clone and DVC's cache")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--again", type=int, help="build all again with so many workers")
    parser.add_argument("--alone", nargs="+", metavar="STAGE", help="measure stages of a finished run without DVC")
    options = parser.parse_args()
    project = Project(options.folder / "lemur", variables(options.folder))
    if options.alone:
        for stage in options.alone:
            alone(project, stage)
        return
    if not (options.folder / "prepared").exists():
        prepare(project)
        write_sources(project.root / "data/raw", int(options.gigabytes * 1e9), options.files)
        (options.folder / "prepared").touch()
    print(f"{options.gigabytes:g} GB of documents in {options.files} files, {options.workers} workers", flush=True)
    project.environment["LEMUR_WORKERS"] = str(options.workers)
    seconds = build(project)
    hashes = locked_hashes(project)
    if options.again:
        project.environment["LEMUR_WORKERS"] = str(options.again)
        again = build(project, "--force")
        for stage in STAGES:
            print(f"{stage:24}{again[stage] / seconds[stage]:6.2f} x the seconds with {options.workers} workers")
        different = [path for path, md5 in locked_hashes(project).items() if hashes[path] != md5]
        print(f"With {options.again} workers: " + (f"OTHER BYTES in {different}" if different else "the same bytes"))
    project.environment["LEMUR_WORKERS"] = str(options.workers)
    change_a_document(project.root / "data/raw/refinedweb")
    print("One document changed:")
    build(project)


def prepare(project: Project) -> None:
    """A clone with only the stages of the corpus, each file a shard."""
    from_scratch(project)
    dag, params = read_yaml(project.root / "dvc.yaml"), read_yaml(project.root / "params.yaml")
    stages = {name: dag["stages"][name] for name in (*STAGES, *MODEL_STAGES)}
    (project.root / "dvc.yaml").write_text(to_yaml({"stages": stages}), encoding="utf-8")
    params["clean_corpus"] |= {"shard_bytes": 1, "max_bytes": dict.fromkeys(SOURCES)}
    params["dedup_corpus"] |= {"planted": 0}
    params["mix_corpus"]["lemur"] |= {"total_tokens": 10**12, "max_epochs": 1}  # all that there is
    params["pack_corpus"] |= {"sequence_length": 4096, "window_documents": 65536}
    (project.root / "params.yaml").write_text(to_yaml(params), encoding="utf-8")
    (project.root / "dvc.lock").unlink()
    project.run("dvc", "config", "--local", "cache.type", "reflink,symlink")  # copies would take twice the disk


def write_sources(raw: Path, size: int, files: int) -> None:
    """Every source that a stage reads, as `fetch` writes it; `files` files of equal size have documents."""
    of_code = round(CODE_SHARE * files)
    sources = [LANGUAGES[number % len(LANGUAGES)] if number < of_code else "books" for number in range(files)]
    pieces = {source: list(parts(source)) for source in {*sources}}
    numbers = {"stack": range(of_code), "refinedweb": range(of_code, files)}
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    for name in {Path(dep).name for stage in STAGES for dep in stages[stage]["deps"] if dep.startswith("data/raw/")}:
        folder = raw / name
        (folder / "files").mkdir(parents=True)
        about: dict[str, tuple[str, str, dict[str, str]]] = {}
        for number in numbers.get(name, ()):
            file = f"{number:05}.jsonl"
            write_file(folder / "files" / file, pieces, sources, number, size // files)
            in_stack = ("stack", "MIT", {"language": sources[number].capitalize()})
            about[file] = in_stack if name == "stack" else ("text_jsonl", "MIT", {})
        listed(folder, about)


def parts(source: str) -> Iterator[str]:
    """Runs of 3 to 12 lines of a source of the demo."""
    lines = "".join(record["text"] for record in read_source(ROOT / "data/corpus/train", source)).splitlines(True)
    generator = random.Random(0)
    for _ in range(200_000):
        start = generator.randrange(max(1, len(lines) - 12))
        yield "".join(lines[start : start + generator.randint(3, 12)])


def document(pieces: dict[str, list[str]], sources: list[str], file: int, number: int) -> str:
    """A file's document, or a copy of an earlier one of any file up to this one, with one word changed."""
    generator = random.Random(file * 10**9 + number)
    if generator.random() >= COPIES or not number:
        return "".join(generator.choices(pieces[sources[file]], k=generator.randint(5, 20)))
    copied = document(pieces, sources, generator.randrange(file + 1), generator.randrange(number)).split(" ")
    copied[generator.randrange(len(copied))] = f"copy{number}"
    return " ".join(copied)


def write_file(path: Path, pieces: dict[str, list[str]], sources: list[str], file: int, size: int) -> None:
    written = number = 0
    with path.open("w", encoding="utf-8") as lines:
        while written < size:
            text = document(pieces, sources, file, number)
            record: dict[str, object] = {"text": text}
            if sources[file] in LANGUAGES:
                record = {"content": text, "max_stars_repo_licenses": ["MIT"]}
            written += lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            number += 1


def change_a_document(folder: Path) -> None:
    paths = sorted((folder / "files").iterdir())
    text = paths[0].read_text(encoding="utf-8")
    paths[0].write_text(text.replace('{"text": "', '{"text": "Changed. ', 1), encoding="utf-8")
    listed(folder, {path.name: ("text_jsonl", "MIT", {}) for path in paths})


def build(project: Project, *options: str) -> dict[str, float]:
    """Run the chain and print a row for each stage; returns their seconds."""
    print(f"{'stage':24}{'seconds':>9}{'CPU s':>9}{'peak MB':>9}{'disk MB':>9}  shards that ran", flush=True)
    times: dict[str, float] = {}
    for stage in (*STAGES, *(f"{stage}@lemur" for stage in MODEL_STAGES)):
        with Peak() as peak:
            started, before = time.perf_counter(), cpu_seconds()
            output = project.run("dvc", "repro", "--single-item", *options, stage)
            times[stage] = time.perf_counter() - started
        taken = TAKEN.search(output)
        ran = f"{int(taken[2]) - int(taken[1])} of {taken[2]}" if taken else "all" if "Running" in output else "none"
        numbers = (times[stage], cpu_seconds() - before, peak.mb, disk_mb(project, stage))
        print(f"{stage:24}{''.join(f'{number:9.0f}' for number in numbers)}  {ran}", flush=True)
        link_inputs(project, stage)
    print(f"{'all':24}{sum(times.values()):9.0f}")
    return times


def alone(project: Project, stage: str, rounds: int = 2) -> None:
    """Print the seconds of a stage's command with one worker and with two, and whether they wrote the same bytes."""
    entry = read_yaml(project.root / "dvc.lock")["stages"][stage]
    scratch = project.root / ".lemur/alone"
    command = entry["cmd"]
    for out in entry["outs"]:
        command = command.replace(f"={out['path']}", f"={scratch / out['path']}")
    seconds: dict[int, list[float]] = {1: [], 2: []}
    checksums = set()
    for workers in (1, 2) * rounds:
        project.environment["LEMUR_WORKERS"] = str(workers)
        shutil.rmtree(scratch, ignore_errors=True)
        for out in entry["outs"]:
            (scratch / out["path"]).parent.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        project.run("bash", "-c", command)
        seconds[workers].append(time.perf_counter() - started)
        files = sorted(path for path in scratch.rglob("*") if path.is_file())
        checksums.add(tuple(file_md5(path) for path in files))
    shutil.rmtree(scratch)
    ratio = sum(seconds[1]) / sum(seconds[2])
    shown = ", ".join(f"{workers}: {' and '.join(f'{s:.0f}' for s in each)} s" for workers, each in seconds.items())
    print(f"{stage:24}{ratio:5.2f} x as fast with two workers ({shown}); {len(checksums)} version(s) of the bytes")


def link_inputs(project: Project, stage: str) -> None:
    """DVC links files, but leaves folders as copies of what its cache has: at 10 GB another 50 GB of disk."""
    written = [
        out["path"] for entry in read_yaml(project.root / "dvc.lock")["stages"].values() for out in entry["outs"]
    ]
    deps = [dep["path"] for dep in read_yaml(project.root / "dvc.lock")["stages"][stage]["deps"]]
    if folders := [path for path in deps if path.endswith("/") and path in written]:
        project.run("dvc", "checkout", "--quiet", "--relink", *folders)


def disk_mb(project: Project, stage: str) -> float:
    entry = read_yaml(project.root / "dvc.lock")["stages"][stage]
    return sum(out.get("size", 0) for out in entry["outs"]) / 1e6


class Peak:
    """The peak resident memory of any process below this one, in MB, looked at every second."""

    def __enter__(self) -> "Peak":
        self.mb = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    self.mb = max(self.mb, process.memory_info().rss / 1e6)


if __name__ == "__main__":
    main()
