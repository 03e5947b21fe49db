"""`lemur lineage PATH`: what an artifact was made from, down to the sources, according to dvc.lock."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc.utils.serialize import load_yaml

from lemur.core.disk import file_md5
from lemur.core.files import flatten
from lemur.pipeline.artifacts.values import MISSING, changes

CODE = "src/"


def lineage(path: str, root: Path) -> dict[str, Any]:
    """The lineage of an output, or of a file in an output folder; `path` is relative to the checkout `root`.

    `stages` has every stage involved, the artifact's own first; `sources` has the manifests of the sources.
    A dep has `from` if a stage writes it, and `newer` if that stage has written other bytes since.
    Raises `SystemExit` for a path that is not an artifact in dvc.lock.
    """
    lock = _lock(root)
    writers = {out["path"].rstrip("/"): (name, out) for name, stage in lock.items() for out in stage.get("outs", [])}
    repo = Repo(str(root))
    artifact = _artifact(path, writers, root)
    writer, out = writers[artifact]
    result: dict[str, Any] = {"artifact": path, "writer": writer, **_hashes(repo, path, artifact, out)}
    result |= {"stages": {}, "sources": {}}
    current_values = {name: flatten(load_yaml(str(root / name))) for name in ("params.yaml", "environment.yaml")}
    source_deps = {
        dep.def_path: dep
        for stage in repo.index.stages
        for dep in stage.deps
        if dep.def_path.rstrip("/") not in writers and not dep.def_path.startswith(CODE)
    }
    queue = [writer]
    while queue:
        name = queue.pop()
        if name in result["stages"]:
            continue
        stage = lock[name]
        deps = []
        for dep in stage.get("deps", []):
            producer, latest = writers.get(dep["path"].rstrip("/"), (None, dep))
            deps.append({"path": dep["path"], "md5": dep["md5"], "from": producer})
            if latest["md5"] != dep["md5"]:
                deps[-1]["newer"] = latest["md5"]
            if (root / dep["path"] / "manifest.yaml").is_file() and not producer:
                result["sources"][dep["path"]] = _source(root, dep, source_deps.get(dep["path"]), stage)
        result["stages"][name] = {
            "cmd": stage["cmd"],
            "params": stage.get("params", {}),
            "changed_since": _changed_parameters(stage.get("params", {}), current_values),
            "deps": deps,
            "outs": [{"path": out["path"], "md5": out["md5"]} for out in stage.get("outs", [])],
        }
        queue += [dep["from"] for dep in reversed(deps) if dep["from"]]
    return result


def _lock(root: Path) -> dict[str, Any]:
    if not (root / "dvc.lock").exists():
        raise SystemExit("dvc.lock is missing: nothing was built here yet (`make reproduce`)")
    # DVC's own parser: YAML 1.2, in which 1e-05 is a number.
    return dict(load_yaml(str(root / "dvc.lock"))["stages"])


def _artifact(path: str, writers: dict[str, Any], root: Path) -> str:
    """The output that `path` names or that contains it."""
    for candidate in (Path(path), *Path(path).parents):
        if str(candidate) in writers:
            return str(candidate)
    below = sorted(out for out in writers if Path(path) in Path(out).parents)
    candidates = below or get_close_matches(path, sorted(writers), n=5, cutoff=0.5)
    problem = "is a folder of several artifacts" if below else "is not an artifact in dvc.lock"
    if not below and (root / path).exists():
        problem = "is a file of the repository, not an artifact; `git log` has its history"
    raise SystemExit(f"{path} {problem}" + (f"; there are {', '.join(candidates)}" if candidates else ""))


def _hashes(repo: Repo, path: str, artifact: str, recorded: dict[str, Any]) -> dict[str, Any]:
    """The artifact's recorded md5 and the md5 of the file on disk, None if unknown or missing."""
    outs = [out for stage in repo.index.stages for out in stage.outs if out.def_path.rstrip("/") == artifact]
    out: Any = outs[0] if outs else None
    if Path(path) == Path(artifact):
        on_disk = str(out.get_hash().value) if out is not None and out.exists else None
        return {"recorded": recorded["md5"], "on_disk": on_disk}
    file = Path(repo.root_dir) / path
    tree = out.get_obj() if out is not None else None
    if tree is None:
        raise SystemExit(f"{path}: the list of files in {artifact}/ is not in the cache; `lemur pull` fetches it")
    files = {"/".join(key): hash_info.value for key, _, hash_info in tree}
    relpath = Path(path).relative_to(artifact).as_posix()
    if relpath not in files:
        candidates = get_close_matches(relpath, sorted(files), n=5, cutoff=0.4) or sorted(files)[:5]
        raise SystemExit(f"{path}: dvc.lock records no such file in {artifact}/; there are {', '.join(candidates)}")
    on_disk = file_md5(file) if file.is_file() else None
    return {"recorded": files[relpath], "on_disk": on_disk}


def _changed_parameters(recorded: dict[str, Any], current: dict[str, dict[str, Any]]) -> list[str]:
    """Recorded parameters whose file now has another value."""
    lines = []
    for file, blocks in recorded.items():
        old = flatten(blocks)
        new = {key: current[file].get(key, MISSING) for key in old}
        lines += [f"{file}: {line}" for line in changes(old, new)]
    return lines


def _source(root: Path, dep: dict[str, Any], current: Any, stage: dict[str, Any]) -> dict[str, Any]:
    """A source's manifest for the place that the stage used, with the checksums that pin it."""
    from lemur.sources.manifest import SourceError, read

    folder = root / dep["path"]
    [place_name] = [block["place"] for block in stage["params"]["params.yaml"].values()]
    source: dict[str, Any] = {"name": folder.name, "place": place_name, "md5": dep["md5"]}
    if current is None or not current.exists or current.get_hash().value != dep["md5"]:
        source["changed_since"] = True
    if place_name == "none":
        return source
    try:
        manifest = read(folder)
        place = manifest.place(place_name)
    except SourceError as error:
        return source | {"error": str(error)}
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
    origin = {"title": manifest.title, "homepage": manifest.homepage, "revision": place.revision}
    return source | origin | {"licence": place.licence, "files": files}
