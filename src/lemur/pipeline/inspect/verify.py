"""`lemur verify`: builds HEAD from scratch and names the first artifact, record or tensor that differs."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from lemur.pipeline.artifacts import lockfile
from lemur.pipeline.artifacts.contents import Contents
from lemur.pipeline.artifacts.differences import difference
from lemur.pipeline.artifacts.lockfile import Lock
from lemur.pipeline.artifacts.values import join_names, short
from lemur.pipeline.artifacts.verdict import COMMITTED, verdict
from lemur.pipeline.inspect.rebuild import build, clone


def verify(root: Path, against: str, built: Path | None, requested: list[str], cores: str) -> bool:
    """Build from scratch, compare with a dvc.lock and print the differences; True if all artifacts that must match do.

    Args:
        root: this checkout; its HEAD is built, and its cache has the recorded contents.
        against: what the build must match: a revision, a checkout or a dvc.lock.
        built: an existing build to compare instead.
        requested: stages to compare, with their ancestors; `data`: those that do not depend on the numerics profile.
        cores: for Snakemake.
    """
    committed = lockfile.read(against, root)
    record = COMMITTED if against == "HEAD" else f"dvc.lock of {against}"
    checkouts = [root, *[Path(against)] * (Path(against) / ".dvc").is_dir()]
    if built:
        return compare(committed, lockfile.read(built, root), requested, Contents(*checkouts), Contents(built), record)
    _print_head(root)
    names = lockfile.select(committed, requested)
    folder = Path(tempfile.mkdtemp(prefix="lemur-verify-"))
    try:
        clone(root, folder / "lemur")
        targets = [out["path"].rstrip("/") for name in names for out in committed[name]["outs"]] if requested else []
        print(f"Building {'all' if not requested else len(names)} stages from scratch in {folder}/lemur", flush=True)
        build(folder / "lemur", targets, cores)
        new = lockfile.read(folder / "lemur", root)
        same = compare(committed, new, requested, Contents(*checkouts), Contents(folder / "lemur"), record)
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        raise SystemExit("interrupted; removed the temporary build") from None
    if same:
        shutil.rmtree(folder)
    else:
        print(f"The build is kept in {folder}/lemur; `lemur verify --built {folder}/lemur` compares it again")
    return same


def _print_head(root: Path) -> None:
    git = ["git", "-C", str(root)]
    head = subprocess.run(
        [*git, "log", "-1", "--format=%h %s"], capture_output=True, check=True, encoding="utf-8", errors="replace"
    ).stdout
    status = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], capture_output=True, check=True, encoding="utf-8", errors="replace"
    ).stdout
    print(f"HEAD is {head.strip()}")
    if status:
        print(f"Not committed, so not built: {join_names(line[3:] for line in status.splitlines())}")


def compare(
    committed: Lock, built: Lock, requested: list[str], old: Contents, new: Contents, record: str = COMMITTED
) -> bool:
    """Print the first artifact that differs and how many do; True if all artifacts that must match do.

    On another numerics profile only data stages must match. But everything that dvc.lock records must exist, and the
    files in the build's folders must match its own dvc.lock.
    """
    both = committed | built
    names = lockfile.select(both, requested)
    data = lockfile.data_stages(both)
    mismatch = lockfile.profile_mismatch(committed, built)
    if mismatch:
        print(f"On another numerics profile only the {len(data)} data stages must be equal: {mismatch}.")
    rows = [(name, *row) for name in names for row in lockfile.outputs(committed.get(name, {}), built.get(name, {}))]
    different = [row for row in rows if row[2] != row[3]]
    lost = [
        path
        for _, path, before, after in rows
        if after and ((before == after and not new.holds(after, path)) or new.altered(after, path))
    ]
    if lost:
        print(f"Not in this build, or damaged: {join_names(lost, 12)}")
    failed = [row for row in different if row[0] in data or not mismatch or not row[3]]
    if different:
        _explain(failed[0] if failed else different[0], different, committed, built, old, new)
        print()
    print("\n".join(verdict(committed, built, names, lost, record)))
    return not failed and not lost


def _explain(
    first: tuple[str, str, str, str],
    different: list[tuple[str, str, str, str]],
    committed: Lock,
    built: Lock,
    old: Contents,
    new: Contents,
) -> None:
    name, path, before, after = first
    causes = {stage: lockfile.inputs(committed.get(stage, {}), built.get(stage, {})) for stage, *_ in different}
    print(f"The first that differs, in graph order, is {path} of stage {name}: {short(before)} -> {short(after)}")
    for line in _inside(path, before, after, old, new):
        print(f"  {line}")
    if name in built:
        for cause in causes[name]:
            print(f"  Its inputs differ from dvc.lock: {cause}")
        if not causes[name]:
            print("  The command, parameters, code and inputs are the same: the stage itself gives different bytes.")
    rest = [row for row in different if row != first]
    if rest:
        print(f"Also different: {join_names((path for _, path, *_ in rest), 12)}")
    if independent := [stage for stage, changes in causes.items() if not changes and stage != name]:
        print(
            f"Of these, not a consequence of the first, since their inputs are the same: {join_names(independent, 12)}"
        )


def _inside(path: str, before: str, after: str, old: Contents, new: Contents) -> list[str]:
    """Where an artifact's two versions first differ, as far as both are available."""
    if not before or not after:
        return [f"{'dvc.lock does not record it' if not before else 'the build did not make it'}: another dvc.yaml?"]
    with tempfile.TemporaryDirectory() as folder:
        sides = Path(folder) / "recorded" / Path(path).name, Path(folder) / "built" / Path(path).name
        for contents, md5, side in zip((old, new), (before, after), sides, strict=True):
            if not contents.view(md5, path, side):
                version = "recorded" if contents is old else "built"
                return [f"Only hashes are known: the {version} bytes are not available (`lemur pull` may fetch them)"]
        if not before.endswith(".dir"):
            return [difference(*sides)]
        files = [contents.listing(md5) or {} for contents, md5 in ((old, before), (new, after))]
        names = sorted(name for name in files[0] | files[1] if files[0].get(name) != files[1].get(name))
        head = f"{len(names)} of {len(files[0] | files[1])} files differ, the first is {names[0]}"
        if both := [name for name in names if (sides[0] / name).exists() and (sides[1] / name).exists()]:
            return [head, f"{both[0]}: {difference(sides[0] / both[0], sides[1] / both[0])}"]
        return [f"{head}: only in one of them"]
