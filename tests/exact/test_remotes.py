"""Artifacts through real remotes on a toy project: a folder, and SSH to a real sshd on 127.0.0.1. About 2 minutes."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lemur.pipeline.artifacts.integrity import digest
from tests.processes import Build, until
from tests.tools import Project

pytestmark = pytest.mark.exact

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
FILES, SIZE = 300, 200_000
CONFIG = """ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


class Remote:
    """A remote below `folder`, and what a project needs to reach it."""

    def __init__(self, url: str, folder: Path, key: Path | None = None) -> None:
        self.url, self.folder, self.key = url, folder, key

    def use(self, project: Project) -> None:
        project.lemur("remote", self.url)
        if self.key:
            project.run("dvc", "remote", "modify", "-q", "--local", "store", "keyfile", str(self.key))

    def files(self) -> list[Path]:
        """The files under their final names."""
        return [path for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith(".tmp")]

    def at(self, project: Project, artifact: str) -> Path:
        """The remote file with the content of an artifact."""
        md5 = digest(project.root / artifact)
        return self.folder / "files/md5" / md5[:2] / md5[2:]


@pytest.fixture(params=["folder", "ssh"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    folder = tmp_path / "remote"
    if request.param == "folder":
        yield Remote(str(folder), folder)
        return
    if SSHD is None:
        pytest.skip("no sshd on this machine; Debian's package is openssh-server")
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (keys / "config").write_text(CONFIG.format(port=port, folder=keys), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd needs it when root starts it
    log = (keys / "log").open("w", encoding="utf-8")
    sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", str(keys / "config")], stderr=log)
    until(
        lambda: "Server listening" in (keys / "log").read_text(encoding="utf-8") or sshd.poll() is not None, seconds=20
    )
    assert sshd.poll() is None, (keys / "log").read_text(encoding="utf-8")
    yield Remote(f"ssh://{getpass.getuser()}@127.0.0.1:{port}{folder}", folder, keys / "user_key")
    sshd.terminate()
    sshd.wait()


def many_files(project: Project) -> None:
    """Add enough data to interrupt a transfer halfway: 300 files, 60 MB."""
    big = project.root / "big"
    big.mkdir()
    for number in range(FILES):
        (big / f"{number}").write_bytes(os.urandom(SIZE))
    project.run("dvc", "add", "-q", "big")
    project.commit()


def test_push_and_pull_leave_nothing_to_do(project: Project, remote: Remote, tmp_path: Path) -> None:
    project.run("snakemake", "--cores", "2")
    project.commit()
    remote.use(project)
    project.run("dvc", "push")
    clone = project.clone(tmp_path / "clone")
    remote.use(clone)
    clone.lemur("pull")
    assert (clone.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    # What people open, copy or mount is a file, not a link into DVC's cache.
    assert not any(path.is_symlink() for path in (clone.root / "data").rglob("*"))
    assert clone.planned() == set()
    assert "Everything is up to date" in project.run("dvc", "push")


def test_killed_transfers_resume(project: Project, remote: Remote, tmp_path: Path) -> None:
    many_files(project)
    remote.use(project)
    push = Build(project, "dvc", "push")
    until(lambda: len(remote.files()) > 20)
    push.kill(group=True)
    pushed = len(remote.files())
    assert 20 < pushed < FILES
    assert all(path.stat().st_size == SIZE for path in remote.files())
    assert f"{FILES + 1 - pushed} files pushed" in project.run("dvc", "push")

    clone = project.clone(tmp_path / "clone")
    remote.use(clone)
    pull = Build(clone, "dvc", "pull", "big.dvc")
    cache = clone.root / ".dvc/cache/files/md5"
    until(lambda: len(list(cache.glob("??/[0-9a-f]*"))) > 20)
    pull.kill(group=True)
    assert len(list(cache.glob("??/[0-9a-f]*"))) < FILES
    clone.run("dvc", "pull", "big.dvc")
    for path in (project.root / "big").iterdir():
        assert (clone.root / "big" / path.name).read_bytes() == path.read_bytes()
    clone.lemur("check", "--cache")


def test_damaged_remote_file_is_named_and_not_used(project: Project, remote: Remote, tmp_path: Path) -> None:
    project.run("snakemake", "--cores", "2")
    project.commit()
    remote.use(project)
    project.run("dvc", "push")
    damaged = remote.at(project, "data/fork_left/text")
    damaged.write_text("HELLO 2", encoding="utf-8")
    clone = project.clone(tmp_path / "clone")
    remote.use(clone)
    output = clone.lemur("pull", ok=False)
    assert "data/fork_left" in output
    assert str(damaged) in output
    assert not (clone.root / "data/fork_left/text").exists()
    assert clone.planned() == {"fork_left", "last"}
    # Follow its advice: remove the damaged files there, and push from the intact checkout.
    for line in output.splitlines():
        if line.startswith("  rm "):
            (remote.folder / line.split("  #")[0].split("/remote/")[1]).unlink()
    project.run("dvc", "push")
    clone.lemur("pull")
    assert clone.planned() == set()
    assert (clone.root / "data/fork_left/text").read_text(encoding="utf-8") == "hello 2"


def test_files_missing_at_the_remote_are_named(project: Project, remote: Remote, tmp_path: Path) -> None:
    project.run("snakemake", "--cores", "2")
    project.commit()
    remote.use(project)
    project.run("dvc", "push")
    remote.at(project, "data/last.txt").unlink()
    clone = project.clone(tmp_path / "clone")
    remote.use(clone)
    output = clone.lemur("pull", ok=False)
    assert "data/last.txt" in output
    assert "make reproduce" in output
    assert clone.planned() == {"last"}
    clone.run("snakemake", "--cores", "2")
    assert (clone.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"


def test_damaged_cache_file_is_named_and_not_used(project: Project) -> None:
    # Links into the cache, as someone with little disk may have them; copies would not be damaged with it.
    project.run("dvc", "config", "--local", "cache.type", "symlink")
    project.run("snakemake", "--cores", "2")
    cached = (project.root / "data/first.txt").readlink()

    def damage(quietly: bool) -> None:
        times = cached.stat()
        cached.chmod(0o644)
        cached.write_text("HELLO 1", encoding="utf-8")
        cached.chmod(0o444)
        if quietly:  # like a failing disk, with the times unchanged: DVC has no reason to look
            os.utime(cached, ns=(times.st_atime_ns, times.st_mtime_ns))

    damage(quietly=False)
    output = project.run("snakemake", "--cores", "2")
    assert f"data/first.txt is damaged in the cache: {cached} " in output
    assert (project.root / "data/first.txt").read_text(encoding="utf-8") == "hello 1"

    damage(quietly=True)
    project.set("left: {value: 2}", "left: {value: 7}")
    for build in (("snakemake", "--cores", "2"), ("dvc", "repro")):
        output = project.run(*build, ok=False)
        assert "fork: input data/first.txt is damaged: MD5" in output
    (project.root / "data/first.txt").unlink()
    output = project.lemur("check", "--cache", ok=False)
    assert f"data/first.txt is damaged in the cache: {cached} has MD5" in output
    assert "match the hashes in their names" in project.lemur("check", "--cache")
    project.run("snakemake", "--cores", "2")
    assert (project.root / "data/fork_left/text").read_text(encoding="utf-8") == "hello 7"
    assert project.planned() == set()
