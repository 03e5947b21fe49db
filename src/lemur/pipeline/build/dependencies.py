"""What dvc.yaml declares for a stage: modules it imports, lazily too, their libraries, and outputs in folders."""

import ast
import io
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from lemur.core.disk import replace_text
from lemur.core.files import DAG, ENVIRONMENT, PACKAGE, PARAMS, ROOT, flatten, read_yaml
from lemur.core.numerics import NUMERICS
from lemur.core.parameter_blocks import bindings, entry_outputs, outputs, stage_of
from lemur.core.versions import extras, installed, locked
from lemur.pipeline.build.validation import stage_module
from lemur.sources import manifest

# Libraries whose version cannot reach an artifact: they draw progress bars, check parameters, carry answers, repeat
# requests, spell names, and choose where a shard runs.
HARMLESS = {
    "distributed",
    "packaging",
    "ruamel-yaml-clib",
    "tqdm",
    "pydantic",
    "mlflow",
    "mlflow-skinny",
    "mlflow-tracing",
    "pyyaml",
    "requests",
    "ruamel-yaml",
    "tenacity",
}
# Modules that choose where a shard runs, which reaches no artifact either (tests/dask_engine).
HARMLESS_MODULES = {PACKAGE / "core/dask_engine.py"}
# What a library's own bits come from.
BEHIND = {"jax": ["jaxlib"], "matplotlib": ["numpy"], "sentence-transformers": ["transformers"]}
# Where manifests lie, and where `fetch` puts what they name.
MANIFESTS, FETCHED = Path("data/sources"), Path("data/raw")
# A file or folder that a module reads from beside itself, as it names it: "chat_template.jinja", "filters".
DATA_FILE = re.compile(r"\w+(\.\w+)?")


def modules(dotted: str) -> list[str]:
    """Files of the project that `lemur.DOTTED` imports, itself included, relative to the root and sorted.

    A folder of which it uses every file stands for them: DVC reads and writes all of dvc.lock for each stage it runs,
    and a list of files takes four lines each there.
    """
    files = _closure(PACKAGE.joinpath(*dotted.split(".")))
    folders = {path for path in PACKAGE.rglob("*") if path.is_dir() and _used_whole(path, files)}
    paths = {next((folder for folder in reversed(path.parents) if folder in folders), path) for path in files}
    return sorted(f"{path.relative_to(ROOT)}{'/' if path in folders else ''}" for path in paths)


def packages(dotted: str) -> list[str]:
    """Distributions that decide the bytes of a stage: what its modules import, and what it names in `PACKAGES`."""
    distributions = _distributions()
    recordable = {**locked(), **extras()}
    names = set(getattr(stage_module(dotted), "PACKAGES", ()))
    for path in _closure(PACKAGE.joinpath(*dotted.split("."))):
        if path.suffix == ".py":
            for top in _imports(path)[1]:
                names.update(distributions.get(top, [top])[:1])
    # No dot in a name either, which would be a level of its own in a DVC param.
    names = {canonicalize_name(name) for name in names}
    names.update(behind for name in list(names) for behind in BEHIND.get(name, []))
    return sorted(name for name in names - HARMLESS if name in recordable)


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Installed distributions by what can be imported from them. It takes a second to read their metadata."""
    return packages_distributions()


def _closure(start: Path) -> set[Path]:
    waiting, seen = [_file(start)], set()
    while waiting:
        path = waiting.pop()
        if path is None or path in seen or path in HARMLESS_MODULES:
            continue
        seen.add(path)
        own, _, files = _imports(path)
        seen |= files
        for parts in own:
            waiting.append(_file(PACKAGE.joinpath(*parts)))
            waiting.append(_file(PACKAGE.joinpath(*parts[:-1])))
    # An empty __init__.py is imported with every module of its folder and can change nothing.
    return {path for path in seen if path.stat().st_size}


def _used_whole(folder: Path, used: set[Path]) -> bool:
    files = {path for path in _files(folder) if path.stat().st_size}
    return bool(files) and files <= used


def _file(module: Path) -> Path | None:
    for path in (module.with_suffix(".py"), module / "__init__.py"):
        if path.is_file():
            return path
    return None


def _data(beside: Path) -> list[Path]:
    if beside.is_file():
        return [beside]
    is_package = (beside / "__init__.py").exists()
    return [] if is_package or not beside.is_dir() else _files(beside)


def _files(folder: Path) -> list[Path]:
    """Those of the project: compiled ones hold the times of their sources."""
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@cache
def _imports(path: Path) -> tuple[frozenset[tuple[str, ...]], frozenset[str], frozenset[Path]]:
    """What a file uses: the project's modules as parts below `lemur`, other top-level names, files beside it."""
    own, others, files = set(), set(), set()
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DATA_FILE.fullmatch(node.value):
            files.update(_data(path.with_name(node.value)))
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            raise SystemExit(f"{path}:{node.lineno}: relative import; write it from `lemur` on")
        else:
            continue
        for name in names:
            top, *rest = name.split(".")
            own.add(tuple(rest)) if top == "lemur" else others.add(top)
    return frozenset(own), frozenset(others), frozenset(files)


def data_deps(entry: dict[str, Any], every_output: list[str]) -> list[str]:
    """A stage's deps other than code: those written by hand, and the outputs in folders that its command names.

    In a folder of fetched sources, only sources of the kind in the module's `READS` count.
    """
    kind = getattr(stage_module(stage_of(entry["cmd"])), "READS", None)
    paths = bindings(entry["cmd"]).values()
    folders = tuple(path for path in paths if any(path != out and out.startswith(path) for out in every_output))
    by_hand = [dep for dep in entry["deps"] if not dep.startswith(("src/", *folders))]
    inside = [path for folder in folders for path in every_output if path.startswith(folder)]
    return by_hand + [path for path in inside if path not in entry_outputs(entry) and _of_kind(path, kind)]


def _of_kind(path: str, kind: str | None) -> bool:
    source = Path(path)
    return source.parent != FETCHED or manifest.read(ROOT / MANIFESTS / source.name).kind == kind


def write(check: bool = False) -> list[str]:
    """Write each stage's outputs in folders, code deps and environment keys into dvc.yaml, and the versions into
    environment.yaml.

    With `check`, writes nothing. Returns what differed, one line each: `STAGE: + ENTRY` is new, `STAGE: - ENTRY` gone.
    """
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    dag = yaml.load(DAG.read_text(encoding="utf-8"))
    every_output = outputs(read_yaml(PARAMS), dag)
    used: set[str] = set()
    for stage in dag["stages"].values():
        dotted = stage_of(stage["cmd"])
        names = packages(dotted)
        used.update(names)
        stage["deps"] = _flow(data_deps(stage, every_output) + modules(dotted))
        keys = [f"packages.{name}" for name in names] + ([NUMERICS] if "jax" in names else [])
        stage["params"] = [entry for entry in stage["params"] if "environment.yaml" not in entry]
        if keys:
            stage["params"].append({"environment.yaml": _flow(keys)})
    text = io.StringIO()
    yaml.dump(dag, text)
    differences = _replace(DAG, re.sub(r" +$", "", text.getvalue(), flags=re.M), check)
    environment = yaml.load(ENVIRONMENT.read_text(encoding="utf-8"))
    environment["packages"] = {name: installed(name) or extras()[name] for name in sorted(used)}
    text = io.StringIO()
    yaml.dump(environment, text)
    return differences + _replace(ENVIRONMENT, text.getvalue(), check)


def _flow(items: list[str]) -> CommentedSeq:
    """A list that fills the lines: there are hundreds of entries, which nobody writes by hand."""
    flow = CommentedSeq(items)
    flow.fa.set_flow_style()
    return flow


def _replace(path: Path, text: str, check: bool) -> list[str]:
    old, new = read_yaml(path), YAML(typ="safe").load(text)
    if not check:
        replace_text(path, text)
    before, after = _entries(old), _entries(new)
    lines = [f"{owner}: {'+' if (owner, entry) in after else '-'} {entry}" for owner, entry in sorted(before ^ after)]
    return lines or ([] if old == new else [f"{path.name}: entries in another order, or twice"])


def _entries(tree: dict[str, Any]) -> set[tuple[str, str]]:
    """Each thing that a stage of dvc.yaml lists, with the stage; of environment.yaml, each library with its version."""
    entries: set[tuple[str, str]] = set()
    for key, value in flatten(tree).items():
        listed = re.fullmatch(r"stages\.(.*)\.(deps|params)", key)
        if not listed:
            entries.add((ENVIRONMENT.name, f"{key}: {value}"))
            continue
        for item in value:
            for file, names in item.items() if isinstance(item, dict) else [("", [item])]:
                entries.update((listed[1], f"{file} {name}".strip()) for name in names or [""])
    return entries
