"""Shares artifacts: `lemur remote URL` sets where, `lemur pull` fetches them and says what to do about missing ones."""

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc.repo import Repo
from pathlib import Path

NAME = "store"
KINDS = "a folder, ssh://HOST/PATH, s3://BUCKET/PATH or gs://BUCKET/PATH"


def remote(url: str | None) -> None:
    """Make `url` this checkout's default remote (in .dvc/config.local, which Git ignores), or print the current one."""
    if url is None:
        print(f"{_url()}  (`lemur remote URL` sets another: {KINDS})")
        return
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in ("", "ssh", "s3", "gs"):
        raise SystemExit(f"remote {url!r}: {scheme}:// is not supported; allowed: {KINDS}")
    if scheme in ("s3", "gs"):
        _require(f"dvc_{scheme}", f"uv pip install dvc-{scheme}")
    _dvc(
        "remote", "add", "--quiet", "--local", "--force", "--default", NAME, url if scheme else str(Path(url).resolve())
    )
    _dvc("remote", "modify", "--quiet", "--local", NAME, "verify", "true")
    print(f"`dvc pull` and `dvc push` now use {url}")


def pull() -> None:
    """Run `dvc pull`; if files are missing at the remote or damaged there, say what to do."""
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
        print(f"\nDamaged at {_url()}, so not used. Remove these there, and `dvc push` from an intact checkout:")
        print("\n".join(f"  rm {path}  # {artifact}" for path, artifact in damaged.items()))
    raise SystemExit(
        f"\n{_url()} does not have everything in dvc.lock. Either run\n"
        "  make reproduce      to build what is missing (minutes at demo scale), then `dvc push` to share it; or\n"
        f"  lemur remote URL    to set a remote that has it ({KINDS}), then `lemur pull` again."
    )


def _damaged(repo: "Repo") -> dict[str, str]:
    """Files at the remote that were not pulled because they are damaged, with the artifact they belong to.

    Includes the listing of their folder: as long as it exists, `dvc push` assumes that the remote has every file in it.
    """
    from dvc.exceptions import DvcException

    from lemur.pipeline.artifacts.integrity import cached_files

    damaged: dict[str, str] = {}
    try:
        remote_store = repo.cloud.get_remote_odb()
        for out in repo.index.outs:
            oids = {file.parent.name + file.name: (file, artifact) for file, artifact in cached_files(repo, out)}
            not_pulled = {
                remote_store.oid_to_path(oid): artifact
                for oid, (file, artifact) in oids.items()
                if not file.exists() and remote_store.exists(oid)
            }
            if not_pulled and out.hash_info.isdir:
                not_pulled[remote_store.oid_to_path(out.hash_info.value)] = out.def_path
            damaged.update(not_pulled)
    except (DvcException, OSError):
        pass
    return damaged


def _url() -> str:
    from dvc.repo import Repo

    return str(Repo().config["remote"].get(NAME, {}).get("url", "no remote"))


def _dvc(*arguments: str) -> None:
    if subprocess.run([sys.executable, "-m", "dvc", *arguments]).returncode:
        raise SystemExit("the remote was not changed")


def _require(module: str, command: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise SystemExit(f"this kind of remote needs another package: {command}")
