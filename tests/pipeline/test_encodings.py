"""The same bytes in every locale, in a folder and with values that are not ASCII: the real tools on the toy project."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tools import Project

FOLDER = "Prüfung 数据"
PLAIN = {"PYTHONUTF8": "", "LANG": "", "LC_CTYPE": "", "PYTHONIOENCODING": ""}
LOCALES = {
    "utf-8": {"LC_ALL": "C.UTF-8"},
    "c": {"LC_ALL": "C"},
    # Python takes C for UTF-8 unless told otherwise; other values of it, and some clusters' locales, are ASCII.
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"LC_ALL": "de_DE.ISO-8859-1"},
}


@pytest.fixture
def umlauts(project: Project, tmp_path: Path) -> Project:
    """The toy project in a folder with umlauts and a space, with such a parameter, source of the matrix and text."""
    project.set("value: int", "value: int\n    word: str = ''", "src/lemur/toy/first.py")
    project.set("{params.value}", "{params.value} {params.word}", "src/lemur/toy/first.py")
    project.set("{text[:5]} {params.value}", "{text} {params.value}", "src/lemur/toy/fork.py")
    project.set("{text[:5]} {params.value}", "{text} {params.value}", "src/lemur/toy/last.py")
    for name in ("first", "fork", "last"):
        path = project.root / f"src/lemur/toy/{name}.py"
        text = path.read_text(encoding="utf-8").replace("read_text()", 'read_text(encoding="utf-8")')
        path.write_text(text.replace("write_text(f", 'write_text(encoding="utf-8", data=f'), encoding="utf-8")
    project.set("{value: 1}", "{value: 1, word: Größe 大小}")
    project.set("right: {value: 3}", "höher: {value: 3}")
    project.set("[left, right]", "[left, höher]", "dvc.yaml")
    project.commit()
    shutil.move(project.root, tmp_path / FOLDER)
    return Project(tmp_path / FOLDER)


def built(project: Project) -> dict[str, bytes]:
    """Artifacts by path, and dvc.lock, whose entries come in the order in which the stages ended."""
    files = [path for path in (project.root / "data").rglob("*") if path.is_file() and path.name[0] != "."]
    lock = b"".join(sorted((project.root / "dvc.lock").read_bytes().splitlines(keepends=True)))
    return {path.relative_to(project.root).as_posix(): path.read_bytes() for path in files} | {"dvc.lock": lock}


def in_locale(project: Project, name: str, tmp_path: Path) -> Project:
    """A copy of the project, with tools that run in a locale."""
    environment = PLAIN | LOCALES[name]
    if name == "latin-1":
        (tmp_path / "locales").mkdir(exist_ok=True)
        compiled = tmp_path / "locales/de_DE.ISO-8859-1"
        try:
            subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", compiled], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("the locale de_DE.ISO-8859-1 cannot be made here (Debian: apt-get install locales)")
        environment["LOCPATH"] = str(compiled.parent)
    copy = Project(tmp_path / f"{name} {FOLDER}", environment)
    shutil.copytree(project.root, copy.root)
    return copy


@pytest.mark.exact
def test_a_locale_does_not_reach_an_artifact_or_dvc_lock(umlauts: Project, tmp_path: Path) -> None:
    expected = in_locale(umlauts, "utf-8", tmp_path)
    expected.run("snakemake", "--cores", "2")
    assert "data/fork_höher/text" in built(expected)
    assert (expected.root / "data/last.txt").read_text(encoding="utf-8") == "hello 1 Größe 大小 2 4"
    assert "Größe 大小" in (expected.root / "dvc.lock").read_text(encoding="utf-8")
    expected.lemur("dependencies", "--write")
    for name in ("c", "ascii", "latin-1"):
        project = in_locale(umlauts, name, tmp_path)
        project.run("snakemake", "--cores", "2")
        assert built(project) == built(expected), name
        assert "up to date" in project.run("env", "PYTHONUTF8=1", "dvc", "status"), name
        assert "Nothing to be done" in project.run("snakemake", "-n"), name
        project.lemur("dependencies", "--write")
        assert (project.root / "dvc.yaml").read_bytes() == (expected.root / "dvc.yaml").read_bytes(), name


@pytest.mark.exact
@pytest.mark.parametrize("name", ["c", "latin-1"])
def test_dvc_itself_works_or_its_stage_says_what_to_do(umlauts: Project, name: str, tmp_path: Path) -> None:
    project = in_locale(umlauts, name, tmp_path)
    if name == "latin-1":
        said = project.run("dvc", "repro", "-q", ok=False)
        (line,) = [line for line in said.splitlines() if line.startswith("toy.fork: ")]
        assert "is not UTF-8, so `dvc` ran in another encoding: `export PYTHONUTF8=1` and repeat" in line
        project.environment["PYTHONUTF8"] = "1"
    project.run("dvc", "repro", "-q")
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 1 Größe 大小 2 4"
    assert (project.root / "data/fork_höher/text").exists()
