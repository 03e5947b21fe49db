"""Streaming from a hub on 127.0.0.1 with the real client, with one file at a time on disk."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import tenacity
from ruamel.yaml import YAML

from lemur.core.records import read_json
from lemur.sources import streamed
from lemur.sources.fetched import FetchedFile, load
from lemur.sources.manifest import SourceError
from tests.corpus.builders import files
from tests.sources.conftest import sha256
from tests.sources.hub_server import Hub, served

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 4
SENTENCE = "The ferry of number {} leaves pier {} at dawn, and whoever comes late waits for the next one. "


def shard(number: int, folder: Path) -> bytes:
    texts = ["".join(SENTENCE.format(number, 7 * row + part) for part in range(20)) for row in range(30)]
    texts[3] = "too short"
    path = folder / "shard.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"content": texts}), path, compression="none")
    return path.read_bytes()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    data = {f"data/part-{number}.parquet": shard(number, tmp_path) for number in range(SHARDS)}
    (tmp_path / "shard.parquet").unlink()
    with served({**data, "README.md": b"card"}) as hub:
        yield hub


def manifest(folder: Path, *, stream: bool) -> Path:
    entry = {"path": "data/*.parquet", "meta": {"text_field": "content"}, "sha256": None}
    place: dict[str, Any] = {"repo": "o/n", "revision": None, "licence": "ODC-BY", "stream": stream, "files": [entry]}
    head = {
        "name": "refinedweb",
        "title": "Web",
        "homepage": "-",
        "kind": "corpus",
        "schema": "text_jsonl",
        "places": {"hub": place},
    }
    source = folder / "sources" / "refinedweb"
    source.mkdir(parents=True)
    with (source / "manifest.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(head, file)
    return source


def run(hub: Hub, source: Path, out: Path, *steps: str) -> subprocess.CompletedProcess[str]:
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(out / "hf"), "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    environment |= {"LEMUR_WORKERS": "1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "tests.sources.hub_corpus", str(source), str(out), *steps]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False, encoding="utf-8")


def build(hub: Hub, folder: Path, *, stream: bool) -> Path:
    result = run(hub, manifest(folder, stream=stream), folder / "out", "pin", "fetch", "clean")
    assert result.returncode == 0, result.stderr
    return folder / "out"


def test_one_shard_at_a_time_gives_the_bytes_of_a_full_download(hub: Hub, tmp_path: Path) -> None:
    shards_on_disk: list[int] = []
    hub.before_read = lambda name: shards_on_disk.append(len(list((tmp_path / "streamed").rglob("*.parquet"))))
    hub.cut["data/part-2.parquet"] = 5000
    out = build(hub, tmp_path / "streamed", stream=True)
    rows = read_json(out / "raw/refinedweb/source.json")["files"]
    assert [(row["sha256"], row["bytes"]) for row in rows] == [
        (sha256(data), len(data)) for name, data in sorted(hub.files.items()) if name.endswith(".parquet")
    ]
    assert not (out / "raw/refinedweb/files").exists()
    # Pinning and listing read no content, and only the interrupted block is read twice.
    reads = [name for name, start in hub.requests if start == 0]
    assert reads == [f"data/part-{number}.parquet" for number in range(SHARDS)]
    assert len(hub.requests) == len(set(hub.requests)) + 1 > 3 * SHARDS
    assert max(shards_on_disk) == 1
    assert not list((tmp_path / "streamed").rglob("*.parquet"))
    assert not list(out.rglob(".shard-*"))

    full = build(hub, tmp_path / "full", stream=False)
    assert len(list((full / "raw/refinedweb/files").rglob("*.parquet"))) == SHARDS
    assert files(out / "documents") == files(full / "documents")
    assert files(out / "rejects") == files(full / "rejects")
    assert (out / "report.json").read_bytes() == (full / "report.json").read_bytes()
    assert read_json(out / "report.json")["out"] == SHARDS * 29


def test_a_changed_shard_is_refused(hub: Hub, tmp_path: Path) -> None:
    source, out = manifest(tmp_path, stream=True), tmp_path / "out"
    result = run(hub, source, out, "pin", "fetch")
    assert result.returncode == 0, result.stderr
    assert len(load(out / "raw/refinedweb", streamed=True).files) == SHARDS
    with pytest.raises(ValueError, match=r"only the corpus stages can read it: remove `stream`"):
        load(out / "raw/refinedweb")
    data = hub.files["data/part-1.parquet"]
    hub.files["data/part-1.parquet"] = data[:-9] + b"!" + data[-8:]
    result = run(hub, source, out, "clean")
    assert result.returncode == 1
    assert "part-1.parquet: sha256 is" in result.stderr
    assert f"{sha256(data)} was pinned" in result.stderr
    result = run(hub, source, tmp_path / "again", "fetch")
    assert result.returncode == 1
    assert "the set of 4 files" in result.stderr
    assert "the manifest says" in result.stderr


def remote(path: Path, **changes: Any) -> FetchedFile:
    data = path.read_bytes()
    fields = {"schema": "text_lines", "licence": "MIT", "meta": {}, "sha256": sha256(data), "bytes": len(data)}
    return FetchedFile(path.parent, **{"name": "a/b.txt", "url": f"file://{path}", **fields, **changes})


def test_a_listed_file_is_on_disk_only_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    path.write_bytes(bytes(range(256)) * 40)
    with streamed.on_disk(remote(path), tmp_path) as local:
        assert local.path.read_bytes() == path.read_bytes()
        assert (local.name, local.url) == ("a/b.txt", "")
    assert not local.path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.txt"]


def test_the_error_for_a_truncated_file_counts_the_bytes_received(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda seconds: slept.append(float(seconds))))
    path = tmp_path / "b.txt"
    path.write_bytes(b"abc")
    match = r"received 3 of 9 bytes, then nothing in 5 tries \(OSError: it ends after 3"
    with pytest.raises(SourceError, match=match), streamed.on_disk(remote(path, bytes=9), tmp_path):
        pass
    assert slept == [1.0, 2.0, 3.0, 4.0]
