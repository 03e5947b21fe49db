"""`lemur lineage`: down to the sources according to dvc.lock, with the changes since."""

import json
from pathlib import Path

import pytest

from lemur.core.files import ROOT
from lemur.pipeline.artifacts.lockfile import read
from lemur.pipeline.inspect.lineage import lineage
from lemur.pipeline.inspect.lineage_tree import lines

from .conftest import Project


def test_lineage_of_a_file_and_what_changed_since(built: Project) -> None:
    result = lineage("data/last/", built.root)
    assert list(result["stages"]) == ["last", "fork@left", "first"]
    assert result["stages"]["fork@left"]["params"] == {"params.yaml": {"fork.left": {"value": 2}}}
    assert json.loads(json.dumps(result)) == result
    text = lines(result)
    assert text[0].startswith("data/last/ ") and text[0].endswith(" <- last")
    assert text[-1] == "      └─ in.txt 5d41402a: a file of the repository"

    inside = lineage("data/fork_left/text", built.root)
    assert inside["recorded"] == inside["on_disk"] and not inside["recorded"].endswith(".dir")
    assert list(inside["stages"]) == ["fork@left", "first"]

    built.set("left: {value: 2}", "left: {value: 3}")
    built.set("first: {value: 1}", "first: {value: 9}")
    built.run("dvc", "repro", "-q", "--single-item", "first")
    (built.root / "data/fork_left/text").unlink()
    (built.root / "data/fork_left/text").write_text("by hand", encoding="utf-8")
    result = lineage("data/fork_left/text", built.root)
    printed = "\n".join(lines(result))
    assert printed.startswith("data/fork_left/text: 7d909037 is on disk, dvc.lock records bb21ec83 ")
    assert "changed since: params.yaml: fork.left.value: 2 -> 3" in printed
    assert f"rewritten since ({result['stages']['first']['outs'][0]['md5'][:8]}): this is the newer one's" in printed
    assert result["stages"]["fork@left"]["deps"][0]["md5"] != result["stages"]["first"]["outs"][0]["md5"]

    for path, message in {
        "data/fork_left/txt": "records no such file in data/fork_left/; there are text",
        "data": "is a folder of several artifacts; there are data/first.txt, data/fork_left, ",
        "in.txt": "is a file of the repository",
        "data/frst.txt": "is not an artifact in dvc.lock; there are data/first.txt",
    }.items():
        with pytest.raises(SystemExit, match=message):
            lineage(path, built.root)
    (built.root / "dvc.lock").unlink()
    with pytest.raises(SystemExit, match="nothing was built here yet"):
        lineage("data/last", built.root)


def test_the_reports_lineage_has_every_source_with_revision_licence_and_checksums(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    result = lineage("reports/summary/report.md" if (ROOT / "reports/summary").exists() else "reports/summary", ROOT)
    sources = {source["name"]: source for source in result["sources"].values()}
    lock = read(ROOT, ROOT)
    fetched = {name.partition("@")[2] for name in lock if name.startswith("fetch@")}
    assert set(sources) == fetched & {path.parent.name for path in ROOT.glob("data/sources/*/manifest.yaml")}
    for source in sources.values():
        if source["place"] == "none":
            continue
        assert source["revision"] and source["licence"] and source["files"]
        for file in source["files"]:
            assert file["licence"] and len(file["sha256"]) == 64, (source["name"], file)
    stages = result["stages"]
    beside = {"track", "instruction_dataset", "viewer"}
    assert set(stages) == set(lock) - beside, "the report is made from everything else"
    shown = lines(result)
    for name in stages:
        assert len([line for line in shown if f" <- {name}" in line and not line.endswith("(above)")]) >= 1
    assert len(shown) < 600 and max(map(len, shown)) < 240


def test_numbers_in_dvc_lock_are_read_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = Path("models/base")
    tuned = lineage(str(path), ROOT)["stages"]["base_model"]["params"]["params.yaml"]["base_model"]
    assert isinstance(tuned["optimizer"]["epsilon"], float)
