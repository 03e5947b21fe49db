"""Where artifacts are shared: `lemur remote URL` names the place, `lemur pull` says what to do if they are absent."""

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc.repo import Repo
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
    """`dvc pull`, with what to do where the remote does not have everything, or has it damaged."""
    from lemur.pipeline.artifacts.integrity import drop_dangling
    from lemur.pipeline.build.dag import Dag

    failed = subprocess.run([sys.executable, "-m", "dvc", "pull"]).returncode
    repo = Dag().repo
    missing = drop_dangling(repo)
    if not failed and not missing:
        return
    if missing:
        print("Missing:", *missing)
    if damaged := _damaged(repo):
        print(f"\nDamaged at {_url()}, and not used. Remove these there, and `dvc push` from where they are whole:")
        print("\n".join(f"  rm {path}  # {artifact}" for path, artifact in damaged.items()))
    raise SystemExit(
        f"\nNot everything in dvc.lock is at {_url()}. Either\n"
        "  make reproduce      builds what is missing (minutes at demo scale), then `dvc push` shares it; or\n"
        f"  lemur remote URL    names a remote that has it ({KINDS}), then `lemur pull` again."
    )


def _damaged(repo: "Repo") -> dict[str, str]:
    """Files that the remote has and that did not arrive, so were found damaged, with the artifact they belong to.

    A folder's listing goes with them: while it is there, `dvc push` believes that everything in it is.
    """
    from dvc.exceptions import DvcException

    from lemur.pipeline.artifacts.integrity import objects

    found: dict[str, str] = {}
    try:
        there = repo.cloud.get_remote_odb()
        for out in repo.index.outs:
            oids = {file.parent.name + file.name: (file, artifact) for file, artifact in objects(repo, out)}
            absent = {
                there.oid_to_path(oid): artifact
                for oid, (file, artifact) in oids.items()
                if not file.exists() and there.exists(oid)
            }
            if absent and out.hash_info.isdir:
                absent[there.oid_to_path(out.hash_info.value)] = out.def_path
            found.update(absent)
    except (DvcException, OSError):
        pass
    return found


def _url() -> str:
    from dvc.repo import Repo

    return str(Repo().config["remote"].get(NAME, {}).get("url", "no remote"))


def _dvc(*arguments: str) -> None:
    if subprocess.run([sys.executable, "-m", "dvc", *arguments]).returncode:
        raise SystemExit("the remote was not changed")


def _require(module: str, command: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise SystemExit(f"this kind of remote needs one more package: {command}")
