from pathlib import Path
from typing import Any

import pytest

from lemur.core.files import read_yaml
from lemur.corpus.sources import CODE, source_of
from lemur.sources import checksums, folders
from lemur.sources.manifest import SourceError, read
from lemur.sources.patterns import is_pattern
from tests.sources.conftest import SourceFolder

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for path in (ROOT / "data" / "sources").iterdir() if path.is_dir())
PLACE: dict[str, Any] = {"revision": "1", "licence": "MIT", "files": [{"path": "a.txt", "sha256": "0" * 64}]}


@pytest.mark.parametrize("folder", SOURCES, ids=lambda path: path.name)
def test_committed_manifest_and_bundled_files(folder: Path) -> None:
    manifest = read(folder)
    pinned = (folder / "requirements.txt").read_text(encoding="utf-8") if (folder / "requirements.txt").exists() else ""
    used = set()
    for place_name, place in manifest.places.items():
        for archive in place.archives:
            assert f"{archive.requirement} --hash=sha256:" in pinned
        for file in place.files:
            if (file.origin or place_name) != "hub":
                assert file.sha256, f"{folder.name}: run `lemur pin {folder.name} {place_name}`"
            if (file.origin or place_name) == "bundled":
                resolved = folders.resolve(folder / "bundled", file)
                sums = [(name, checksums.of_stream(path.open("rb"))) for name, path, _ in resolved]
                actual = checksums.of_set(sums) if is_pattern(file.path) else sums[0][1]
                assert actual == file.sha256, (
                    f"{file.path}: run `lemur pin {folder.name} {place_name}` if the change is intended"
                )
                used |= {name for name, _ in sums}
    bundled = {p.relative_to(folder / "bundled").as_posix() for p in (folder / "bundled").rglob("*") if p.is_file()}
    assert {path for path in bundled if not path.endswith((".md", ".py"))} == used


def test_every_language_has_packages_under_permissive_licences() -> None:
    permissive = read_yaml(ROOT / "params.yaml")["clean_corpus"]["licences"]
    archives = read(ROOT / "data/sources/stack").places["package"].archives
    assert {source_of(archive.meta["language"]) for archive in archives} == set(CODE)
    assert {archive.licence for archive in archives} <= set(permissive)


def test_every_source_of_the_dag_has_a_manifest_and_an_offered_place() -> None:
    assert sorted(read_yaml(ROOT / "params.yaml")["fetch"]) == [path.name for path in SOURCES]
    for path in [ROOT / "params.yaml", *sorted((ROOT / "scales").glob("*.yaml"))]:
        for source, block in (read_yaml(path).get("fetch") or {}).items():
            if block["place"] != "none":
                assert block["place"] in read(ROOT / "data" / "sources" / source).places, f"{path}: fetch.{source}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "places.bundled.colour: unknown key, found 1"),
        ({"revision": 1}, "places.bundled.revision: Input should be a valid string, found 1"),
        ({"files": [{"path": "a", "sha256": "abc"}]}, "places.bundled.files[0].sha256: String should match"),
        ({"files": [{"path": "../a", "sha256": None}]}, "must be a relative POSIX path without '..', not '../a'"),
        ({"files": [{"path": "/a", "sha256": None}]}, "must be a relative POSIX path"),
        ({"files": []}, "places.bundled lists no files"),
        ({"revision": None}, "places.bundled.revision: null is allowed only"),
        ({"repo": "a/b"}, "places.bundled: `repo` is needed for files from the hub, and only for them"),
        ({"generator": {"seed": 1, "splits": ["interpolate"], "pairs": 1}}, "only place package may have a generator"),
    ],
)
def test_faults_are_named_by_key(source_folder: SourceFolder, change: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError) as error:
        read(source_folder({"bundled": PLACE | change}))
    assert message in str(error.value)
    assert "demo/manifest.yaml" in str(error.value)


def test_error_for_an_unknown_place_lists_the_allowed_places(source_folder: SourceFolder) -> None:
    with pytest.raises(SourceError, match="allowed places: bundled, mirror, hub, package"):
        read(source_folder({"torrent": PLACE}))


def test_files_of_place_package_must_name_their_origin(source_folder: SourceFolder) -> None:
    with pytest.raises(SourceError, match="each needs `from: bundled`"):
        read(source_folder({"package": PLACE}))


def test_name_must_equal_the_folder(source_folder: SourceFolder) -> None:
    with pytest.raises(SourceError, match="name is 'other', but its folder is 'demo'"):
        read(source_folder({"bundled": PLACE}, name="other"))


def test_a_manifest_with_a_byte_order_mark(source_folder: SourceFolder) -> None:
    folder = source_folder({"bundled": PLACE})
    manifest = folder / "manifest.yaml"
    manifest.write_bytes(b"\xef\xbb\xbf" + manifest.read_bytes())
    assert read(folder).name == "demo"


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"manifest\.yaml is missing"):
        read(tmp_path)
    (tmp_path / "manifest.yaml").write_text("a: [1\n", encoding="utf-8")
    with pytest.raises(SourceError, match="not valid YAML"):
        read(tmp_path)
    (tmp_path / "manifest.yaml").write_text("a: 1\na: 2\n", encoding="utf-8")
    with pytest.raises(SourceError, match="duplicate key"):
        read(tmp_path)
    (tmp_path / "manifest.yaml").write_bytes(b"a: \xff")
    with pytest.raises(SourceError, match=r"manifest\.yaml: byte 3 is not UTF-8"):
        read(tmp_path)
    (tmp_path / "manifest.yaml").write_text("a: 1\n", encoding="utf-16")
    with pytest.raises(SourceError, match=r"manifest\.yaml: byte 0: the byte order mark of UTF-16"):
        read(tmp_path)
