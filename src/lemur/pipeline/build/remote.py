"""Shares artifacts: `lemur remote URL` sets where, `lemur pull` fetches them and says what to do about missing ones."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.repo import Repo

NAME = "store"
REMOVE = {"s3": "aws s3 rm", "gs": "gcloud storage rm"}  # others: rm
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

    repo = Dag().repo
    # A killed pull may leave an incomplete list of what to fetch, and the next would trust it (treeverse/dvc#11041).
    repo.drop_data_index()
    failed = subprocess.run([sys.executable, "-m", "dvc", "pull"]).returncode
    missing = drop_dangling(repo)
    if not failed and not missing:
        return
    if missing:
        print("Missing:", *missing)
    try:
        damaged = _damaged(repo)
    except Exception as error:  # every file system has its own
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SystemExit(
            f"\n{_url()} cannot be read ({reason}); check the connection and your credentials, then `lemur pull` again."
        ) from None
    if damaged:
        print(f"\nDamaged at {_url()}, so not used. Remove these there, and `dvc push` from an intact checkout:")
        print("\n".join(f"  {command}  # {artifact}" for command, artifact in damaged.items()))
    raise SystemExit(
        f"\n{_url()} does not have everything in dvc.lock. Either run\n"
        "  make reproduce      to build what is missing (minutes at demo scale), then `dvc push` to share it; or\n"
        f"  lemur remote URL    to set a remote that has it ({KINDS}), then `lemur pull` again."
    )


def _damaged(repo: "Repo") -> dict[str, str]:
    """Commands that remove the damaged files at the remote, with the artifact that each belongs to.

    Fetches what `dvc pull` left out, because it stops at the first damaged listing of a folder; what then is at the
    remote but not here is damaged. Includes the listing of a damaged file's folder: as long as it exists, `dvc push`
    assumes that the remote has every file in it. Raises whatever the file system raises if it cannot be read.
    """
    from contextlib import suppress

    from dvc.exceptions import DvcException
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_objects.errors import ObjectFormatError

    from lemur.pipeline.artifacts.integrity import cached_files

    try:
        remote_store = repo.cloud.get_remote_odb()
    except DvcException:  # no remote is set
        return {}
    filesystem = remote_store.fs
    with suppress(FileNotFoundError):  # empty
        filesystem.info(remote_store.path)
    tool = REMOVE.get(filesystem.protocol)

    def remove(oid: str) -> str:
        path = remote_store.oid_to_path(oid)
        return f"{tool} {filesystem.unstrip_protocol(path)}" if tool else f"rm {path}"

    def not_here(out: "Output") -> dict[str, str]:
        files = cached_files(repo, out)
        return {file.parent.name + file.name: artifact for file, artifact in files if not file.exists()}

    damaged: dict[str, str] = {}
    for out in repo.index.outs:
        for _ in ("the file, or the listing of a folder", "the files of that folder"):
            if oids := not_here(out):
                with suppress(ObjectFormatError, FileNotFoundError):  # of the listing
                    repo.cloud.pull([HashInfo("md5", oid) for oid in oids])
        not_pulled = {remove(oid): artifact for oid, artifact in not_here(out).items() if remote_store.exists(oid)}
        if not_pulled and out.hash_info.isdir:
            not_pulled[remove(out.hash_info.value)] = out.def_path
        damaged.update(not_pulled)
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
