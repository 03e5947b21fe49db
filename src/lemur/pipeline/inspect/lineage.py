"""`lemur lineage PATH`: what an artifact was made of, down to the sources, as dvc.lock records it."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc.utils.serialize import load_yaml

from lemur.core.files import flatten
from lemur.pipeline.artifacts.integrity import file_md5
from lemur.pipeline.artifacts.values import MISSING, changes

CODE = "src/"


def lineage(path: str, root: Path) -> dict[str, Any]:
    """The lineage of an output, or of a file in an output folder; `path` is relative to the checkout `root`.

    `stages` has every stage that took part, the artifact's own first; `sources` the manifests at the other end.
    A dep has `from` where a stage writes it, and `newer` where that stage has written other bytes since.
    Raises `SystemExit` for a path that is no artifact of dvc.lock.
    """
    lock = _lock(root)
    writers = {out["path"].rstrip("/"): (name, out) for name, stage in lock.items() for out in stage.get("outs", [])}
    repo = Repo(str(root))
    artifact = _artifact(path, writers, root)
    writer, out = writers[artifact]
    found: dict[str, Any] = {"artifact": path, "writer": writer, **_on_disk(repo, path, artifact, out)}
    found |= {"stages": {}, "sources": {}}
    now = {name: flatten(load_yaml(str(root / name))) for name in ("params.yaml", "environment.yaml")}
    current = {
        dep.def_path: dep
        for stage in repo.index.stages
        for dep in stage.deps
        if dep.def_path.rstrip("/") not in writers and not dep.def_path.startswith(CODE)
    }
    waiting = [writer]
    while waiting:
        name = waiting.pop()
        if name in found["stages"]:
            continue
        stage = lock[name]
        deps = []
        for dep in stage.get("deps", []):
            source, made = writers.get(dep["path"].rstrip("/"), (None, dep))
            deps.append({"path": dep["path"], "md5": dep["md5"], "from": source})
            if made["md5"] != dep["md5"]:
                deps[-1]["newer"] = made["md5"]
            if (root / dep["path"] / "manifest.yaml").is_file() and not source:
                found["sources"][dep["path"]] = _source(root, dep, current.get(dep["path"]), stage)
        found["stages"][name] = {
            "cmd": stage["cmd"],
            "params": stage.get("params", {}),
            "changed_since": _changed(stage.get("params", {}), now),
            "deps": deps,
            "outs": [{"path": out["path"], "md5": out["md5"]} for out in stage.get("outs", [])],
        }
        waiting += [dep["from"] for dep in reversed(deps) if dep["from"]]
    return found


def _lock(root: Path) -> dict[str, Any]:
    if not (root / "dvc.lock").exists():
        raise SystemExit("dvc.lock is missing: nothing was built here yet (`make reproduce`)")
    # DVC's reader: YAML 1.2, in which 1e-05 is a number.
    return dict(load_yaml(str(root / "dvc.lock"))["stages"])


def _artifact(path: str, writers: dict[str, Any], root: Path) -> str:
    """The output that `path` is or lies in."""
    for candidate in (Path(path), *Path(path).parents):
        if str(candidate) in writers:
            return str(candidate)
    below = sorted(out for out in writers if Path(path) in Path(out).parents)
    close = below or get_close_matches(path, sorted(writers), n=5, cutoff=0.5)
    what = "is a folder of several artifacts" if below else "is not an artifact of dvc.lock"
    if not below and (root / path).exists():
        what = "is a file of the repository, not an artifact; `git log` has its history"
    raise SystemExit(f"{path} {what}" + (f"; there are {', '.join(close)}" if close else ""))


def _on_disk(repo: Repo, path: str, artifact: str, recorded: dict[str, Any]) -> dict[str, Any]:
    """The artifact's recorded md5 and that of what is on disk now, None where it is not known or not there."""
    found = [out for stage in repo.index.stages for out in stage.outs if out.def_path.rstrip("/") == artifact]
    out: Any = found[0] if found else None
    if Path(path) == Path(artifact):
        now = str(out.get_hash().value) if out is not None and out.exists else None
        return {"recorded": recorded["md5"], "on_disk": now}
    file = Path(repo.root_dir) / path
    tree = out.get_obj() if out is not None else None
    if tree is None:
        raise SystemExit(f"{path}: which files {artifact}/ holds is not known here; `lemur pull` brings the list")
    files = {"/".join(key): hash_info.value for key, _, hash_info in tree}
    inside = Path(path).relative_to(artifact).as_posix()
    if inside not in files:
        close = get_close_matches(inside, sorted(files), n=5, cutoff=0.4) or sorted(files)[:5]
        raise SystemExit(f"{path}: dvc.lock records no such file in {artifact}/; there are {', '.join(close)}")
    now = file_md5(file) if file.is_file() else None
    return {"recorded": files[inside], "on_disk": now}


def _changed(recorded: dict[str, Any], now: dict[str, dict[str, Any]]) -> list[str]:
    """Recorded parameters that have another value in their file now."""
    found = []
    for file, blocks in recorded.items():
        then = flatten(blocks)
        found += [f"{file}: {line}" for line in changes(then, {key: now[file].get(key, MISSING) for key in then})]
    return found


def _source(root: Path, dep: dict[str, Any], current: Any, stage: dict[str, Any]) -> dict[str, Any]:
    """A source's manifest at the place that the stage took, with the checksums that pin it."""
    from lemur.sources.manifest import SourceError, read

    folder = root / dep["path"]
    [place_name] = [block["place"] for block in stage["params"]["params.yaml"].values()]
    found: dict[str, Any] = {"name": folder.name, "place": place_name, "md5": dep["md5"]}
    if current is None or not current.exists or current.get_hash().value != dep["md5"]:
        found["changed_since"] = True
    if place_name == "none":
        return found
    try:
        manifest = read(folder)
        place = manifest.place(place_name)
    except SourceError as error:
        return found | {"error": str(error)}
    pins = folder / "requirements.txt"
    pinned = pins.read_text(encoding="utf-8").splitlines() if pins.is_file() else []
    hashes = dict(line.split()[:2] for line in pinned if "==" in line)
    files: list[dict[str, Any]] = [
        {"path": file.path, "licence": file.licence or place.licence, "sha256": file.sha256} for file in place.files
    ]
    files += [
        {
            "path": archive.requirement,
            "members": archive.members,
            "licence": archive.licence or place.licence,
            "sha256": hashes.get(archive.requirement, "").rpartition(":")[2],
        }
        for archive in place.archives
    ]
    if place.generator:
        files.append({"path": f"generated, seed {place.generator.seed}", "licence": place.licence})
        files[-1]["sha256"] = place.generator.sha256
    head = {"title": manifest.title, "homepage": manifest.homepage, "revision": place.revision}
    return found | head | {"licence": place.licence, "files": files}
