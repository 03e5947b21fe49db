"""Place `hub` on a repository at GitHub, as its file system sees it: the repository's root has no path."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from fsspec.implementations.github import GithubFileSystem

from lemur.core.records import read_json
from lemur.sources.fetch import Params, fetch
from lemur.sources.pin import pin
from tests.sources.conftest import SourceFolder

REVISION = "c0ffee" + "0" * 34
FILES = {"data/max5+tool/a/results.jsonl": b"{}\n", "data/max5+tool/b/results.jsonl": b"[]\n", "README.md": b"card"}


@pytest.fixture(autouse=True)
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Answers the two requests of GitHub's API that the file system makes: a folder's entries, and a file's content."""

    def get(url: str, **options: Any) -> requests.Response:
        kind, _, rest = url.partition("https://api.github.com/repos/owner/name/")[2].partition("/")
        if kind == "git":  # a folder's id here is its path
            folder = rest.removeprefix("trees/").removeprefix(REVISION)
            below = [name.removeprefix(f"{folder}/").split("/") for name in FILES if not folder or folder in name]
            entries = {
                parts[0]: {
                    "path": parts[0],
                    "mode": "1",
                    "type": "tree" if parts[1:] else "blob",
                    "sha": f"{folder}/{parts[0]}".strip("/"),
                }
                for parts in below
            }
            value: Any = {"tree": list(entries.values())}
        else:
            value = {"content": base64.b64encode(FILES[rest.partition("?")[0]]).decode()}
        response = requests.Response()
        response.status_code = 200
        response._content = json.dumps(value).encode()
        return response

    monkeypatch.setattr("datasets.config.DOWNLOADED_DATASETS_PATH", tmp_path / "cache")
    monkeypatch.setattr("fsspec.implementations.github.requests.get", get)
    GithubFileSystem.clear_instance_cache()
    yield
    GithubFileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("path", "fields"),
    [("data/max5+tool/{task}/results.jsonl", [{"task": "a"}, {"task": "b"}]), ("README.md", [{}])],
)
def test_pin_then_fetch(source_folder: SourceFolder, tmp_path: Path, path: str, fields: list[dict[str, str]]) -> None:
    files = [{"path": path, "sha256": None}]
    place = {"repo": f"github://owner:name@{REVISION}", "revision": REVISION, "licence": "MIT", "files": files}
    source = source_folder({"hub": place})
    pin(source, "hub")
    fetch(Params(place="hub"), source, files=tmp_path / "out")
    rows = read_json(tmp_path / "out" / "source.json")["files"]
    assert [row["meta"] for row in rows] == fields
    assert all((tmp_path / "out/files" / row["path"]).read_bytes() == FILES[row["path"]] for row in rows)
