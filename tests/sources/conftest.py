import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

SourceFolder = Callable[..., Path]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def source_folder(tmp_path: Path) -> SourceFolder:
    """`source_folder(places, bundled={name: bytes}, requirements=text)` writes a source called `demo`."""

    def make(
        places: dict[str, Any], bundled: dict[str, bytes] | None = None, requirements: str = "", **keys: Any
    ) -> Path:
        folder = tmp_path / "sources" / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "name": "demo",
            "title": "Demo",
            "homepage": "-",
            "kind": "corpus",
            "schema": "plain_text",
            "places": places,
            **keys,
        }
        with (folder / "manifest.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(manifest, file)
        for name, data in (bundled or {}).items():
            path = folder / "bundled" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if requirements:
            (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
        return folder

    return make
