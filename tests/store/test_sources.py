"""Sources read from a bucket (`s3://`) and from the hub (`hf://`, a fake of its file API), and damaged on the way."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lemur.core.records import read_json
from lemur.sources.checksums import of_set
from tests.corpus.builders import files
from tests.sources.conftest import sha256
from tests.sources.hub_server import served as hub_served
from tests.sources.test_streamed import SHARDS, manifest, shard
from tests.store.kills import killed
from tests.store.s3_server import KEY_ID, SECRET, Store
from tests.tools import ROOT, Project

NAMES = [f"data/part-{number}.parquet" for number in range(SHARDS)]


@dataclass
class Origin:
    """Where the shards of a source lie, and how a test changes one."""

    repo: str
    shards: dict[str, bytes]
    variables: dict[str, str]
    write: Callable[[str, bytes], None]
    watch: Callable[[Callable[[str], None]], None]
    cut: Callable[[str, int], None]

    def run(self, source: Path, out: Path, *steps: str, ok: bool = True) -> str:
        """Messages of `pin`, `fetch` and `clean`, in a process whose caches and temporary files are below `out`."""
        (out / "tmp").mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self.variables, "PYTHONPATH": f"{ROOT}/src:{ROOT}", "LEMUR_WORKERS": "1"}
        environment |= {"HF_HOME": str(out / "hf"), "TMPDIR": str(out / "tmp")}
        command = [sys.executable, "-m", "tests.sources.hub_corpus", str(source), str(out), *steps]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False, encoding="utf-8")
        assert (done.returncode == 0) is ok, done.stderr
        return done.stderr


@pytest.fixture(params=["s3", "hf"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Origin]:
    shards = {name: shard(number, tmp_path) for number, name in enumerate(NAMES)}
    (tmp_path / "shard.parquet").unlink()
    if request.param == "s3":
        store, bucket = request.getfixturevalue("store"), request.getfixturevalue("bucket")

        def write(name: str, data: bytes) -> None:
            store.write(bucket, f"copy/{name}", data)

        def watch(before_read: Callable[[str], None]) -> None:
            store.before_read = before_read

        def cut(name: str, start: int) -> None:
            store.cut[f"/{bucket}/copy/{name}"] = start

        for name, data in {**shards, "README.md": b"card"}.items():
            write(name, data)
        yield Origin(f"s3://{bucket}/copy", shards, store.variables(), write, watch, cut)
        return
    with hub_served({**shards, "README.md": b"card"}) as hub:
        yield Origin(
            "o/n",
            shards,
            {"HF_ENDPOINT": hub.url},
            hub.files.__setitem__,
            lambda before_read: setattr(hub, "before_read", before_read),
            hub.cut.__setitem__,
        )


def source_at(origin: Origin, folder: Path, *, stream: bool, path: str = "data/*.parquet") -> Path:
    source = manifest(folder, stream=stream)
    yaml = YAML(typ="safe", pure=True)
    document = yaml.load(source / "manifest.yaml")
    document["places"]["hub"]["repo"] = origin.repo
    document["places"]["hub"]["files"][0]["path"] = path
    with (source / "manifest.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(document, file)
    return source


def content(out: Path) -> int:
    """Bytes of source files on disk, wherever: all but what the stage writes, Python's and the libraries' records."""
    return sum(
        path.stat().st_size
        for path in out.rglob("*")
        if path.is_file() and path.suffix not in (".json", ".jsonl", ".zst")
    )


def test_one_shard_at_a_time_gives_the_bytes_of_a_full_download(origin: Origin, tmp_path: Path) -> None:
    out, full = tmp_path / "streamed", tmp_path / "full"
    on_disk: list[int] = []

    def measure(name: str) -> None:
        on_disk.append(content(out))

    origin.watch(measure)
    origin.cut(NAMES[2], 5000)
    origin.run(source_at(origin, tmp_path / "a", stream=True), out, "pin", "fetch", "clean")
    rows = read_json(out / "raw/refinedweb/source.json")["files"]
    assert [(row["sha256"], row["bytes"]) for row in rows] == [
        (sha256(origin.shards[name]), len(origin.shards[name])) for name in NAMES
    ]
    assert 0 < max(on_disk) <= max(len(data) for data in origin.shards.values())
    assert content(out) == 0
    origin.watch(lambda name: None)
    origin.run(source_at(origin, tmp_path / "b", stream=False), full, "pin", "fetch", "clean")
    assert sorted(path.read_bytes() for path in (full / "raw/refinedweb/files").rglob("*.parquet")) == sorted(
        origin.shards.values()
    )
    assert files(out / "documents") == files(full / "documents")
    assert files(out / "rejects") == files(full / "rejects") != {}
    assert read_json(out / "report.json")["out"] == SHARDS * 29


@pytest.mark.parametrize(
    ("origin", "stream"), [("s3", True), ("s3", False), ("hf", True)], indirect=["origin"], ids=str
)
def test_a_changed_file_is_named_with_both_hashes_until_it_is_put_back(
    origin: Origin, tmp_path: Path, stream: bool
) -> None:
    name, out = NAMES[1], tmp_path / "out"
    source, good = source_at(origin, tmp_path, stream=stream, path=name), origin.shards[name]
    bad = good[:-9] + b"!" + good[-8:]
    origin.run(source, out, "pin")
    origin.write(name, bad)
    error = origin.run(source, out, "fetch", ok=False)
    assert f"/{name}: sha256 is {sha256(bad)} ({len(bad)} bytes), the manifest says {sha256(good)}" in error
    assert "get it again" in error and "run `lemur pin refinedweb hub`" in error
    assert not list(out.rglob("source.json"))
    shutil.rmtree(out / "raw")  # as `lemur run` does
    origin.write(name, good)
    origin.run(source, out, "fetch")
    if stream:
        origin.write(name, bad)
        error = origin.run(source, out, "clean", ok=False)
        assert f"/{name}: sha256 is {sha256(bad)} ({len(bad)} bytes), {sha256(good)} was pinned" in error
        assert "put the pinned one back" in error and "run `lemur pin SOURCE hub`" in error
        remove_outputs(out)
        origin.write(name, good[: len(good) // 2])
        error = origin.run(source, out, "clean", ok=False)
        assert f"/{name}: received {len(good) // 2} of {len(good)} bytes" in error
        remove_outputs(out)
        origin.write(name, good)
    origin.run(source, out, "clean")
    assert read_json(out / "report.json")["out"] == 29


def remove_outputs(out: Path) -> None:
    """What `lemur run` does after a failure."""
    for name in ("documents", "rejects"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "report.json").unlink(missing_ok=True)


READ = """import hashlib
from pathlib import Path

from lemur.core.params import StageParams
from lemur.sources.fetched import load
from lemur.sources.streamed import on_disk


class Params(StageParams):
    value: int


def read(params: Params, source: Path, *, out: Path) -> None:
    out.mkdir()
    lines = []
    for file in load(source, streamed=True).files:
        with on_disk(file, out) as local:
            lines.append(hashlib.sha256(local.path.read_bytes()).hexdigest() + "\\n")
    (out / "hashes").write_text("".join(lines), encoding="utf-8")
"""
STAGES = """  fetch:
    cmd: PYTHONPATH=src python -m lemur run sources.fetch --params fetch.demo
      source=data/sources/demo files=data/raw/demo/
    params: [fetch.demo]
    deps: [data/sources/demo]
    outs: [data/raw/demo/]
  read:
    cmd: PYTHONPATH=src python -m lemur run toy.read source=data/raw/demo/ out=data/read/
    params: [read]
    deps: [data/raw/demo/]
    outs: [data/read/]
"""
SIZE, KILLS = 3 << 20, 5


@pytest.mark.parametrize("stream", [True, False])
def test_killed_stages_repeat_with_the_same_bytes(
    project: Project, store: Store, bucket: str, tmp_path: Path, stream: bool
) -> None:
    data = {f"data/part-{number}.txt": random.Random(number).randbytes(SIZE) for number in range(4)}
    for name, bytes_of_file in data.items():
        store.write(bucket, f"copy/{name}", bytes_of_file)
    pinned = of_set((name, sha256(bytes_of_file)) for name, bytes_of_file in data.items())
    place = {
        "repo": f"s3://{bucket}/copy",
        "revision": "unversioned",
        "licence": "MIT",
        "stream": stream,
        "files": [{"path": "data/part-{part}.txt", "sha256": pinned}],
    }
    head = {"name": "demo", "title": "Demo", "homepage": "-", "kind": "corpus", "schema": "plain_text"}
    folder = project.root / "data/sources/demo"
    folder.mkdir(parents=True)
    with (folder / "manifest.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump({**head, "places": {"hub": place}}, file)
    (project.root / "src/lemur/toy/read.py").write_text(READ, encoding="utf-8")
    for name, text in (("dvc.yaml", STAGES), ("params.yaml", "fetch: {demo: {place: hub}}\nread: {value: 1}\n")):
        with (project.root / name).open("a", encoding="utf-8") as file:
            file.write(text)
    project.environment = {**store.variables(), "HF_HOME": str(tmp_path / "hf")}
    project.lemur("dependencies", "--write")
    project.commit()
    store.pause_s = 0.05 if stream else 0.3  # whole files take few requests
    moment = random.Random(11)
    kills = [
        killed(project, store, "dvc", "repro", "read", moment=moment, requests=10 if stream else 4)
        for _ in range(KILLS)
    ]
    assert sum(kills) > 1
    project.run("dvc", "repro", "read")
    hashes = (project.root / "data/read/hashes").read_text(encoding="utf-8").split()
    assert hashes == [sha256(bytes_of_file) for bytes_of_file in data.values()]
    left = [path for path in (project.root / "data").rglob("*") if path.is_file() and path.stat().st_size >= SIZE]
    assert sorted(path.name for path in left) == ([] if stream else sorted(Path(name).name for name in data))
    assert not [path for path in (project.root / "data").rglob(".*") if path.name.startswith((".shard-", ".work-"))]
    for path in project.root.rglob("*"):
        if path.is_file():
            found = path.read_bytes()
            assert not any(text.encode() in found for text in (KEY_ID, SECRET, store.url)), path
