import zipfile
from pathlib import Path
from typing import Any

import pytest

from lemur.sources.fetch import Params, fetch
from lemur.sources.fetched import load
from lemur.sources.generator import PATCHES, generate
from lemur.sources.manifest import Archive, Generator, SourceError
from lemur.sources.package import check_member, members, wheel_of
from tests.sources.conftest import SourceFolder, sha256

INFO = "toy_data-1.0.dist-info"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that pip finds without any index."""
    folder = tmp_path / "index"
    folder.mkdir()
    path = folder / "toy_data-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("toy/b.py", "b = 2\n")
        file.writestr("toy/sub/a.py", "a = 1\n")
        file.writestr("toy/readme.md", "no")
        file.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: toy-data\nVersion: 1.0\n")
        file.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{INFO}/RECORD", "")
        file.writestr(f"{INFO}/licenses/LICENSE.txt", "MIT")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return path


def place(**keys: Any) -> dict[str, Any]:
    entry = {"requirement": "toy-data==1.0", "members": ["toy/**/*.py"], "meta": {"language": "Python"}}
    return {"revision": "toy-data 1.0", "licence": "MIT", "archives": [entry | keys]}


def archive(*patterns: str) -> Archive:
    return Archive.model_validate({"requirement": "toy-data==1.0", "members": list(patterns)})


def pinned(wheel: Path) -> str:
    return f"toy-data==1.0 --hash=sha256:{sha256(wheel.read_bytes())}\n"


def test_members_and_licence_texts(source_folder: SourceFolder, wheel: Path, tmp_path: Path) -> None:
    bundled = [{"path": "c.sql", "from": "bundled", "schema": "stack", "sha256": sha256(b"select 1;")}]
    source = source_folder({"package": place() | {"files": bundled}}, {"c.sql": b"select 1;"}, pinned(wheel))
    fetch(Params(place="package"), source, files=tmp_path / "out")
    fetched = load(tmp_path / "out")
    assert [(file.name, file.schema, dict(file.meta)) for file in fetched.files] == [
        ("c.sql", "stack", {}),
        ("toy/b.py", "plain_text", {"language": "Python"}),
        ("toy/sub/a.py", "plain_text", {"language": "Python"}),
    ]
    assert (tmp_path / "out/files" / INFO / "licenses/LICENSE.txt").read_text(encoding="utf-8") == "MIT"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"files", "source.json"}


def test_another_hash_is_refused(source_folder: SourceFolder, wheel: Path, tmp_path: Path) -> None:
    source = source_folder({"package": place()}, requirements=f"toy-data==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(SystemExit, match=r"(?s)pip could not download.*DO NOT MATCH.*do not use them"):
        fetch(Params(place="package"), source, files=tmp_path / "out")


def test_unavailable_package(source_folder: SourceFolder, wheel: Path, tmp_path: Path) -> None:
    source = source_folder({"package": place()}, requirements=pinned(wheel))
    wheel.unlink()
    with pytest.raises(SystemExit, match=r"(?s)No matching distribution.*connect once.*choose another place"):
        fetch(Params(place="package"), source, files=tmp_path / "out")


def test_requirements_must_exist_and_name_the_archive(source_folder: SourceFolder, wheel: Path, tmp_path: Path) -> None:
    source = source_folder({"package": place()})
    with pytest.raises(SystemExit, match=r"requirements\.txt is missing; it pins the manifest's archives"):
        fetch(Params(place="package"), source, files=tmp_path / "out")
    with pytest.raises(
        SourceError, match=r"other==2 is in the manifest, but requirements\.txt pins only \['toy-data==1"
    ):
        wheel_of({"toy-data==1.0": wheel}, "other==2")
    assert wheel_of({"toy-data==1.0": wheel}, "Toy_Data==1.0") == wheel


def test_a_pattern_without_matches_is_refused(wheel: Path) -> None:
    with pytest.raises(SourceError, match=r"no member of toy_data-1\.0-py3-none-any\.whl matches toy/\*\.sql"):
        members(wheel, archive("toy/*.py", "toy/*.sql"))


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py", "a\\evil.py"])
def test_members_outside_the_archive_are_refused(wheel: Path, name: str) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = name
    with pytest.raises(SourceError, match="not a plain file below the archive's root"):
        check_member(wheel, info)


def test_links_are_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "toy_data-1.0-py3-none-any.whl"
    info = zipfile.ZipInfo("toy/link.py")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(SourceError, match="toy/link"):
        members(wheel, archive("toy/*.py"))


def test_another_release_of_the_generator_is_refused(wheel: Path, tmp_path: Path) -> None:
    generator = Generator.model_validate({"seed": 1, "splits": ["train-easy"], "pairs": 1})
    with pytest.raises(SourceError, match=f"the generator's {PATCHES[0][0]} has no .*release 1.0.1"):
        generate(generator, {"toy-data==1.0": wheel}, tmp_path / "work")
