"""The previous run of a stage, by dvc.lock and DVC's cache: what its shards gave need not be computed again."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lemur.core.disk import file_md5
from lemur.core.files import ROOT
from lemur.core.records import Record, read_jsonl

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DvcCache:
    """The files in DVC's cache, and how DVC links to them."""

    folder: Path
    links: tuple[str, ...]

    def give(self, md5: str, path: Path) -> bool:
        """Put the file with this MD5 at `path`. A damaged one is removed from the cache, so that DVC stores the right
        one; then, and if there is none, False."""
        from dvc_objects.fs.generic import transfer
        from dvc_objects.fs.local import localfs

        cached = self.folder / md5[:2] / md5[2:]
        if not cached.is_file():
            return False
        if file_md5(cached) != md5:
            cached.unlink(missing_ok=True)
            return False
        transfer(localfs, str(cached), localfs, str(path), links=[*self.links, "copy"])
        return True


class PreviousRun:
    """The previous run of a stage, whose entry in dvc.lock DVC replaces when this run has ended."""

    def __init__(self, cache: DvcCache, lines: list[Record], changed: set[str], deps: set[str]) -> None:
        """`deps`: all files and folders on which the stage depends; `changed`: those that differ from dvc.lock, and
        params.yaml or environment.yaml if a value does."""
        self.cache = cache
        self._lines = lines
        self._changed = changed
        self._deps = deps

    def lines(self, read: Iterable[Path]) -> list[Record]:
        """The lines of its ledger, if nothing differs but the deps that these files belong to.

        No lines if nothing differs at all: then the stage was forced, or its outputs are lost.
        """
        folders = {folder for path in read for folder in (path, *path.parents)}
        by_shards = {dep for dep in self._deps if Path(dep) in folders}
        return self._lines if self._changed and self._changed <= by_shards else []


def previous_run(stage: str, ledger: Path) -> PreviousRun | None:
    """The run of `stage`, DVC's name for it, that dvc.lock records; None if its ledger is not in DVC's cache."""
    from dvc.dependency.param import ParamsDependency
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        try:
            entry = repo.stage.load_one(name=stage)
        except DvcException as error:  # another build's DVC may be writing dvc.lock, which is not atomic
            log.info("%s: every shard is computed, because dvc.lock cannot be read: %s", stage, error)
            return None
        md5s = [out.hash_info.value for out in entry.outs if Path(out.def_path) == ledger and out.hash_info]
        links = tuple(link for link in repo.cache.local.cache_types if link in ("reflink", "symlink"))
        cache = DvcCache(Path(repo.cache.local.path), links)
        kept = [Path(repo.cache.local.oid_to_path(md5)) for md5 in md5s]
        if entry.cmd_changed or not kept or not kept[0].is_file() or file_md5(kept[0]) != md5s[0]:
            return None
        changed = {dep.def_path for dep in entry.deps if dep.status()}
        deps = {dep.def_path for dep in entry.deps if not isinstance(dep, ParamsDependency)}
        return PreviousRun(cache, list(read_jsonl(kept[0])), changed, deps)
