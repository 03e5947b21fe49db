from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lemur.sources.fetch import Params, fetch
from lemur.sources.pin import pin
from tests.sources.conftest import SourceFolder, sha256

MANIFEST = """\
# A comment that stays.
name: demo
title: Demo
homepage: '-'
kind: corpus
schema: plain_text
places:
  bundled:
    revision: '1'
    licence: MIT
    files:
      - {path: a.txt, sha256: null} # and this one
  mirror:
    revision: '1'
    licence: MIT
    files:
      - path: a.txt
        from: bundled
        sha256: null
  hub:
    repo: o/n
    revision: null
    licence: MIT
    files:
      - {path: a.txt, sha256: null}
"""


def places(source: Path) -> Any:
    return YAML(typ="safe", pure=True).load(source / "manifest.yaml")["places"]


def test_pin_updates_a_file_under_every_place_and_keeps_the_rest(source_folder: SourceFolder, tmp_path: Path) -> None:
    source = source_folder({}, {"a.txt": b"new"})
    (source / "manifest.yaml").write_text(MANIFEST, encoding="utf-8")
    assert len(pin(source, "bundled")) == 2
    pinned = MANIFEST.replace("a.txt, sha256: null} #", f"a.txt, sha256: {sha256(b'new')}}} #")
    pinned = pinned.replace("        sha256: null", f"        sha256: {sha256(b'new')}")
    assert (source / "manifest.yaml").read_text(encoding="utf-8") == pinned
    assert pin(source, "bundled") == []
    fetch(Params(place="bundled"), source, files=tmp_path / "out")


def test_errors_leave_the_manifest_unchanged(source_folder: SourceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    source = source_folder({})
    (source / "manifest.yaml").write_text(MANIFEST, encoding="utf-8")
    with pytest.raises(SystemExit, match=r"pin demo: .*bundled/a\.txt is missing"):
        pin(source, "bundled")
    with pytest.raises(SystemExit, match="pin demo: source demo has no place 'package'"):
        pin(source, "package")
    assert (source / "manifest.yaml").read_text(encoding="utf-8") == MANIFEST
    assert places(source)["bundled"]["files"][0]["sha256"] is None
