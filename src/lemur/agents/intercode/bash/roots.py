"""Debian root file systems for IC-Bash and IC-CTF: `python -m lemur.agents.intercode.bash.roots` makes them.

Each is kept below .lemur/roots by the hash of its list of packages. The originals are Ubuntu images without a date."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.core.files import ROOT
from lemur.sandbox import why_unavailable
from lemur.sandbox.root_shell import OWNER

SUITE = "bookworm"
DESCRIPTION = (
    "where commands run: debian, a root with the programs of the original image (`make agents`); host, this machine's "
    "programs, whose output depends on it; none: skipped"
)
"""Of the parameter `root`."""
PACKAGES = {
    # docker/nl2bash.Dockerfile
    "intercode_bash": "bash python3 psmisc bsdmainutils cron imagemagick bind9-dnsutils git tree net-tools "
    "iputils-ping coreutils curl cpio jq",
    # docker/ctf.Dockerfile, and what solutions of the tasks use
    "intercode_ctf": "bash python3 python3-pycryptodome python3-cryptography git curl wget file unzip xxd binutils "
    "openssl gcc libc6-dev gdb netcat-openbsd libimage-exiftool-perl tshark poppler-utils sleuthkit jq "
    "gcc-aarch64-linux-gnu qemu-user",
}
INSTALL = "run `make agents` as root (Debian's mmdebstrap and its package archive)"


def folder(stage: str) -> Path:
    name = hashlib.sha256(f"{SUITE} {platform.machine()} {PACKAGES[stage]}".encode()).hexdigest()[:16]
    return ROOT / ".lemur" / "roots" / f"{stage}-{name}"


def why_missing(stage: str, root: str) -> str | None:
    """Why episodes of `stage` cannot run with its parameter `root`, or `None`."""
    if root == "none":
        return f"commands print other things on other machines: set {stage}.root to debian (`make agents`) or host"
    if reason := why_unavailable():
        return reason
    if root == "debian" and not folder(stage).is_dir():
        return f"the root file system of {stage} is missing: {INSTALL}"
    return why_no_namespaces()


@cache
def why_no_namespaces() -> str | None:
    """Why no root file system starts here, or `None`: a shell is really started."""
    from lemur.agents.intercode.bash.file_systems import archive
    from lemur.agents.intercode.bash.shell import Shell

    try:
        shell = Shell(None, archive([{"path": "/tried", "kind": "file", "mode": "644", "text": ""}]))
    except EnvironmentFault as fault:
        return str(fault)
    shell.close()
    return None


def build(kind: str) -> Path:
    """Make the root if it is missing. Raises `SystemExit` with what failed."""
    target = folder(kind)
    if target.is_dir():
        return target
    if shutil.which("mmdebstrap") is None:
        raise SystemExit(f"mmdebstrap is missing; {INSTALL}")
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_suffix(".making")
    shutil.rmtree(scratch, ignore_errors=True)
    started = time.monotonic()
    packages = ",".join(PACKAGES[kind].split())
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", SUITE, str(scratch)]
    if subprocess.run(command).returncode:
        raise SystemExit(f"mmdebstrap failed; see above. The packages: {PACKAGES[kind]}")
    if os.geteuid() == 0:
        for path in (scratch, *scratch.rglob("*")):
            mode = path.lstat().st_mode
            os.chown(path, OWNER, OWNER, follow_symlinks=False)
            if not path.is_symlink():
                os.chmod(path, mode & 0o7777)  # chown drops the bits of set-user-id programs
    scratch.rename(target)
    size = int(subprocess.run(["du", "-sm", target], capture_output=True, check=True).stdout.split()[0])
    print(f"{target}: {size} MB, {time.monotonic() - started:.0f} s")
    return target


if __name__ == "__main__":
    for each in sys.argv[1:] or list(PACKAGES):
        build(each)
