"""Where artifacts are shared: `lemur remote URL` names the place, `lemur pull` says what to do if they are absent."""

import subprocess
import sys
from pathlib import Path

NAME = "store"
KINDS = "a folder, ssh://HOST/PATH, s3://BUCKET/PATH or gs://BUCKET/PATH"


def remote(url: str | None) -> None:
    """Make `url` this checkout's default remote (.dvc/config.local, which Git leaves out), or print the present one."""
    if url is None:
        print(f"{_url()}  (`lemur remote URL` names another: {KINDS})")
        return
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in ("", "ssh", "s3", "gs"):
        raise SystemExit(f"remote {url!r}: {scheme}:// is not known here; allowed: {KINDS}")
    if scheme in ("s3", "gs"):
        _require(f"dvc_{scheme}", f"uv pip install dvc-{scheme}")
    _dvc(
        "remote", "add", "--quiet", "--local", "--force", "--default", NAME, url if scheme else str(Path(url).resolve())
    )
    _dvc("remote", "modify", "--quiet", "--local", NAME, "verify", "true")
    print(f"dvc pull and dvc push use {url} now")


def pull() -> None:
    """`dvc pull`, with what to do where the remote does not have everything."""
    if subprocess.run([sys.executable, "-m", "dvc", "pull"]).returncode:
        raise SystemExit(
            f"\nNot everything in dvc.lock is at {_url()}. Either\n"
            "  make reproduce      builds what is missing (minutes at demo scale), then `dvc push` shares it; or\n"
            f"  lemur remote URL    names a remote that has it ({KINDS}), then `lemur pull` again."
        )


def _url() -> str:
    listed = subprocess.run([sys.executable, "-m", "dvc", "remote", "list"], capture_output=True, text=True).stdout
    return next((line.split()[1] for line in listed.splitlines() if line.split()[:1] == [NAME]), "no remote")


def _dvc(*arguments: str) -> None:
    if subprocess.run([sys.executable, "-m", "dvc", *arguments]).returncode:
        raise SystemExit("the remote was not changed")


def _require(module: str, command: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise SystemExit(f"this kind of remote needs one more package: {command}")
