import io
import logging
import random
from pathlib import Path
from typing import Any

import pytest

from lemur.core.records import read_json
from lemur.sources import checksums
from lemur.sources.fetch import Params, fetch
from lemur.sources.fetched import load
from lemur.sources.manifest import SourceError
from tests.sources.conftest import SourceFolder, sha256

DATA = {"b.txt": b"second\n", "a.txt": b"first\n", "deep/c.txt": b"third\n"}


def place(files: list[dict[str, Any]], **keys: Any) -> dict[str, Any]:
    return {"revision": "1", "licence": "MIT", "files": files, **keys}


def pinned_entries(data: dict[str, bytes]) -> list[dict[str, Any]]:
    return [{"path": name, "sha256": sha256(content)} for name, content in data.items()]


def run(source: Path, name: str, out: Path) -> Path:
    fetch(Params(place=name), source, files=out)  # type: ignore[arg-type]
    return out


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_bundled_files_and_their_index(source_folder: SourceFolder, tmp_path: Path) -> None:
    files = pinned_entries(DATA)
    files[0] |= {"schema": "latex", "licence": "CC0", "meta": {"language": "fr"}}
    out = run(source_folder({"bundled": place(files)}, DATA), "bundled", tmp_path / "out")
    assert tree(out / "files") == DATA
    assert {path.name for path in out.iterdir()} == {"files", "source.json"}
    index = read_json(out / "source.json")
    assert (index["name"], index["place"], index["revision"], index["licence"]) == ("demo", "bundled", "1", "MIT")
    assert [row["path"] for row in index["files"]] == ["a.txt", "b.txt", "deep/c.txt"]
    assert index["files"][1] == {
        "path": "b.txt", "schema": "latex", "licence": "CC0", "sha256": sha256(b"second\n"), "bytes": 7,
        "meta": {"language": "fr"},
    }  # fmt: skip
    fetched = load(out)
    assert [file.path.read_bytes() for file in fetched.files] == [b"first\n", b"second\n", b"third\n"]
    assert fetched.files[0].schema == "plain_text"


def test_mirror_gives_the_same_files_as_bundled(
    source_folder: SourceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in DATA.items():
        (tmp_path / "mirror" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / name).write_bytes(content)
    monkeypatch.setenv("LEMUR_MIRROR", str(tmp_path / "mirror"))
    source = source_folder({"bundled": place(pinned_entries(DATA)), "mirror": place(pinned_entries(DATA))}, DATA)
    mirror, bundled = run(source, "mirror", tmp_path / "m"), run(source, "bundled", tmp_path / "b")
    assert tree(mirror / "files") == tree(bundled / "files")


def test_pattern_pins_a_set_and_its_fields_become_meta(
    source_folder: SourceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"dev/x_dev.csv": b"1", "test/x_test.csv": b"2", "test/y_test.csv": b"3"}
    pin = checksums.of_set((name, sha256(content)) for name, content in data.items())
    entry = {"path": "{split}/{subject}_{split}.csv", "sha256": pin}
    source = source_folder({"bundled": place([entry])}, data)
    first = run(source, "bundled", tmp_path / "one")
    assert load(first).files[2].meta == {"split": "test", "subject": "y"}

    original = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda self, glob: random.Random(1).sample(list(original(self, glob)), k=5))
    second = run(source, "bundled", tmp_path / "two")
    monkeypatch.undo()
    assert tree(first) == tree(second)

    (source / "bundled/test/z_test.csv").write_bytes(b"4")
    with pytest.raises(SystemExit, match=r"the set of 4 files of files\[0\]: sha256 is"):
        run(source, "bundled", tmp_path / "three")


def test_none_leaves_the_source_out(source_folder: SourceFolder, tmp_path: Path) -> None:
    fetched = load(run(source_folder({"bundled": place(pinned_entries(DATA))}, DATA), "none", tmp_path / "out"))
    assert (fetched.place, fetched.files) == ("none", ())


def test_companions_are_reached_through_their_file(source_folder: SourceFolder, tmp_path: Path) -> None:
    files = pinned_entries({"a.txt": b"first\n", "b.txt": b"second\n"})
    files[0]["meta"] = {"languages": "b.txt"}
    files[1]["schema"] = "companion"
    fetched = load(run(source_folder({"bundled": place(files)}, DATA), "bundled", tmp_path / "out"))
    assert [file.name for file in fetched.files] == ["a.txt"]
    companion = fetched.files[0].companion("languages")
    assert companion is not None
    assert companion.read_bytes() == b"second\n"
    assert fetched.files[0].companion("else") is None


@pytest.mark.parametrize(
    ("damage", "messages"),
    [
        (b"firs", ["bundled/a.txt: sha256 is", "(4 bytes), the manifest says", "places.bundled.files[1]", "cut short"]),
        (b"FIRST\n", ["(6 bytes), the manifest says", "lemur pin demo bundled"]),
        (None, ["bundled/a.txt is missing"]),
    ],
)
def test_damaged_file(source_folder: SourceFolder, tmp_path: Path, damage: bytes | None, messages: list[str]) -> None:
    source = source_folder({"bundled": place(pinned_entries(DATA))}, DATA)
    path = source / "bundled/a.txt"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    with pytest.raises(SystemExit) as error:
        run(source, "bundled", tmp_path / "out")
    for message in ["fetch demo: ", *messages]:
        assert message in str(error.value)
    assert not (tmp_path / "out/source.json").exists()


def test_a_place_that_the_source_does_not_offer_is_refused(source_folder: SourceFolder, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no place 'hub'; its manifest offers \['bundled'\].*fetch\.demo\.place"):
        run(source_folder({"bundled": place(pinned_entries(DATA))}, DATA), "hub", tmp_path / "out")


@pytest.mark.parametrize(
    ("value", "message"), [(None, "set LEMUR_MIRROR to its path"), ("/nowhere", "is not a folder")]
)
def test_missing_mirror(
    source_folder: SourceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, message: str
) -> None:
    monkeypatch.delenv("LEMUR_MIRROR", raising=False)
    if value:
        monkeypatch.setenv("LEMUR_MIRROR", value)
    with pytest.raises(SystemExit, match=message):
        run(source_folder({"mirror": place(pinned_entries(DATA))}), "mirror", tmp_path / "out")


def test_unpinned_file_is_refused_before_anything_is_read(source_folder: SourceFolder, tmp_path: Path) -> None:
    source = source_folder({"hub": place([{"path": "a", "sha256": None}], repo="o/n") | {"revision": None}})
    with pytest.raises(SystemExit, match=r"not pinned yet.*revision, files\[0\]\.sha256.*`lemur pin demo hub`"):
        run(source, "hub", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_duplicate_name_is_refused(source_folder: SourceFolder, tmp_path: Path) -> None:
    files = pinned_entries({"a.txt": b"first\n"})
    with pytest.raises(SystemExit, match=r"a\.txt is named twice in place bundled"):
        run(source_folder({"bundled": place(files * 2)}, DATA), "bundled", tmp_path / "out")


def test_full_disk(source_folder: SourceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **keys: Any) -> Any:
        return open("/dev/full", "wb", buffering=0) if mode == "xb" else original(self, mode, *args, **keys)

    source = source_folder({"bundled": place(pinned_entries(DATA))}, DATA)
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(SystemExit, match=r"disk full after 0 bytes of .*b\.txt; free some space"):
        run(source, "bundled", tmp_path / "out")


def test_read_error_names_the_file(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(SourceError, match="t: Input/output error after 0 bytes"):
        checksums.copy(Broken(), tmp_path / "t")


def test_log_counts_files_and_bytes(
    source_folder: SourceFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run(source_folder({"bundled": place(pinned_entries(DATA))}, DATA), "bundled", tmp_path / "out")
    assert caplog.messages == ["fetch demo: 3 files, 19 bytes from place bundled"]


def test_loading_a_damaged_folder(source_folder: SourceFolder, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"source\.json is missing.*dvc repro fetch"):
        load(tmp_path)
    out = run(source_folder({"bundled": place(pinned_entries(DATA))}, DATA), "bundled", tmp_path / "out")
    (out / "files/a.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.txt, named by .*is missing"):
        load(out)
    (out / "source.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"source\.json is damaged"):
        load(out)
