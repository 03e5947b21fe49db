"""Place `hub`, tested on copies of a repository in other fsspec file systems."""

from pathlib import Path
from typing import Any

import fsspec
import pytest
from ruamel.yaml import YAML

from lemur.core.records import read_json
from lemur.sources import hub
from lemur.sources.fetch import Params, fetch
from lemur.sources.fetched import load
from lemur.sources.manifest import Place
from lemur.sources.pin import pin
from lemur.sources.streamed import on_disk
from tests.sources.conftest import SourceFolder

DATA = {"data/part-0.jsonl": b"{}\n", "data/part-1.jsonl": b"[]\n", "README.md": b"card"}


@pytest.fixture(params=["file", "memory"])
def repo(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("datasets.config.DOWNLOADED_DATASETS_PATH", tmp_path / "cache")
    url = f"{request.param}://{tmp_path if request.param == 'file' else ''}/hub-copy"
    for name, content in DATA.items():
        with fsspec.open(f"{url}/{name}", "wb", auto_mkdir=True) as file:
            file.write(content)
    return url


def place(repo: str, path: str) -> dict[str, Any]:
    return {"repo": repo, "revision": None, "licence": "MIT", "files": [{"path": path, "sha256": None}]}


def test_pin_then_fetch(source_folder: SourceFolder, repo: str, tmp_path: Path) -> None:
    source = source_folder({"hub": place(repo, "data/part-{part}.jsonl")})
    changed = pin(source, "hub")
    assert [line.partition(":")[0] for line in changed] == ["places.hub.revision", "places.hub.files[0].sha256"]
    assert pin(source, "hub") == []
    fetch(Params(place="hub"), source, files=tmp_path / "out")
    assert (tmp_path / "out/files/data/part-1.jsonl").read_bytes() == b"[]\n"
    assert [row["meta"] for row in read_json(tmp_path / "out/source.json")["files"]] == [{"part": "0"}, {"part": "1"}]


def test_a_streamed_copy_in_a_bucket(source_folder: SourceFolder, repo: str, tmp_path: Path) -> None:
    source = source_folder({"hub": place(repo, "data/part-{part}.jsonl") | {"stream": True}})
    pin(source, "hub")
    fetch(Params(place="hub"), source, files=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["source.json"]
    files = load(tmp_path / "out", streamed=True).files
    assert [(file.name, file.bytes, dict(file.meta)) for file in files] == [
        ("data/part-0.jsonl", 3, {"part": "0"}),
        ("data/part-1.jsonl", 3, {"part": "1"}),
    ]
    for file in files:
        with on_disk(file, tmp_path) as local:
            assert local.path.read_bytes() == DATA[file.name]


def test_only_place_hub_can_stream(source_folder: SourceFolder) -> None:
    bundled = {"revision": "1", "licence": "MIT", "stream": True, "files": [{"path": "a", "sha256": None}]}
    with pytest.raises(SystemExit, match=r"places\.bundled\.stream: only files from the hub can be streamed"):
        pin(source_folder({"bundled": bundled}, {"a": b"a"}), "bundled")


def test_a_changed_file_is_refused(source_folder: SourceFolder, repo: str, tmp_path: Path) -> None:
    source = source_folder({"hub": place(repo, "README.md")})
    pin(source, "hub")
    document = YAML(typ="safe", pure=True).load(source / "manifest.yaml")
    document["places"]["hub"]["files"][0]["sha256"] = "0" * 64
    with (source / "manifest.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(document, file)
    with pytest.raises(SystemExit, match=r"sha256 is .* the manifest says 0000"):
        fetch(Params(place="hub"), source, files=tmp_path / "out")


@pytest.mark.parametrize(("path", "message"), [("gone.txt", "could not be downloaded"), ("gone/*", "matches gone/")])
def test_missing_files(source_folder: SourceFolder, repo: str, path: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        pin(source_folder({"hub": place(repo, path)}), "hub")


def test_urls_of_real_repositories() -> None:
    files = [{"path": "a", "sha256": None}]
    data = Place.model_validate({"repo": "o/n", "revision": "abc", "licence": "MIT", "files": files})
    model = data.model_copy(update={"repo": "models/o/n"})
    assert hub.root_url(data) == "hf://datasets/o/n@abc"
    assert hub.root_url(model) == "hf://o/n@abc"


def test_error_for_an_unreachable_hub_says_what_to_do(
    source_folder: SourceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **keys: Any) -> None:
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", refuse)
    with pytest.raises(SystemExit, match=r"o/n could not be downloaded \(ConnectionError: no route to host\).*gated"):
        pin(source_folder({"hub": place("o/n", "a")}), "hub")
