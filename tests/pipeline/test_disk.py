"""A disk that fills, and line ends: the real tools on the toy project."""

import errno
from pathlib import Path

import pytest

from lemur.core import scales
from lemur.core.disk import is_full, replace_text
from tests.tools import ROOT, Project

FULL = 'out.write_text(text * 1000, encoding="utf-8"); open("/dev/full", "w").write(text * 10000)'


def test_a_full_disk_is_named_and_nothing_half_written_stays(project: Project) -> None:
    project.run("dvc", "repro", "-q")
    for name, write in {"last": 'out.write_text(f"{text[:5]} {params.value}")', "fork": None}.items():
        path = project.root / f"src/lemur/toy/{name}.py"
        old = write or 'out.mkdir(); (out / "text").write_text(f"{text[:5]} {params.value}")'
        new = FULL if write else FULL.replace("out.write_text", 'out.mkdir(); (out / "text").write_text')
        project.set(old, new, str(path.relative_to(project.root)))
        argument = "fork.left" if name == "fork" else name
        source, out = ("data/first.txt", "data/fork_left/") if name == "fork" else ("data/fork_left/", "data/last.txt")
        said = project.run(
            "env", "PYTHONPATH=src", "python", "-m", "lemur", "run", f"toy.{name}", "--params", argument,
            f"source={source}", f"out={out}", ok=False,
        )  # fmt: skip
        message = (
            "The disk is full ([Errno 28] No space left on device); free some space and run the same command again"
        )
        assert said.splitlines()[-1] == message
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4", "the last good output stays"
    assert not list((project.root / "data").rglob("*.partial"))
    assert "The disk is full" in project.run("snakemake", "--cores", "2", ok=False)
    assert not list((project.root / "data").rglob("*.partial"))


def test_errors_that_say_so() -> None:
    assert is_full(OSError(errno.ENOSPC, "x")) and is_full(OSError(errno.EDQUOT, "x"))
    assert is_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert not is_full(OSError(errno.EACCES, "x")) and not is_full(ValueError("disk"))


def test_a_file_is_replaced_whole_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("old: ü\n", encoding="utf-8")

    def half(self: Path, text: str, encoding: str) -> None:
        self.write_bytes(text[:2].encode(encoding))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", half)
        with pytest.raises(OSError, match="No space left"):
            replace_text(path, "new: ü\n")
        assert (path.read_text(encoding="utf-8"), len(list(tmp_path.iterdir()))) == ("old: ü\n", 1)
        params = tmp_path / "other.yaml"
        params.write_bytes((ROOT / "params.yaml").read_bytes())
        with pytest.raises(OSError, match="No space left"):
            scales.switch("tiny", params=params)
        assert params.read_bytes() == (ROOT / "params.yaml").read_bytes()
    replace_text(path, "new: ü\n")
    assert path.read_bytes() == "new: ü\n".encode()


def test_a_clone_with_autocrlf_has_the_same_bytes(project: Project, tmp_path: Path) -> None:
    (project.root / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    project.commit()
    clone = tmp_path / "clone"
    project.run("git", "clone", "-q", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", str(project.root), str(clone))
    for path in ("params.yaml", "dvc.yaml", "src/lemur/toy/first.py", "in.txt"):
        assert (clone / path).read_bytes() == (project.root / path).read_bytes()
    assert Project(clone).run("git", "-c", "core.autocrlf=true", "status", "--porcelain") == ""
