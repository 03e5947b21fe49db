"""`lemur scale NAME`: set the values of params.yaml that make up a scale, and show what changes."""

import io
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter

from lemur.core.disk import replace_text
from lemur.core.files import DAG, PARAMS, SCALES, flatten, read_yaml
from lemur.core.parameter_blocks import merged_blocks, shared_blocks

DEMO = "demo"  # sets every value that any scale sets; the other scales hold only their differences from it
SHARED = "the shared value"


def names() -> list[str]:
    return sorted(path.stem for path in SCALES.glob("*.yaml"))


def show() -> None:
    """Print every scale and the number of values in which params.yaml differs from it."""
    for name in names():
        count = len(differences(name))
        print(f"{name:12} {'this is params.yaml now' if not count else f'{count} values differ'}")


def differences(scale: str | Path, params: Path = PARAMS) -> dict[str, tuple[Any, Any]]:
    """Values that switching to a scale would change: {dotted key: (now, then)}, `SHARED` for a key that is not set."""
    now, then = flatten(read_yaml(params)), leaves(scale, params)
    values = {key: (now.get(key, SHARED), then.get(key, SHARED)) for key in (*then, *(now.keys() - then.keys()))}
    return {key: (before, after) for key, (before, after) in values.items() if before != after}


def leaves(scale: str | Path, params: Path = PARAMS) -> dict[str, Any]:
    """Leaves of params.yaml as a scale sets them, by dotted key.

    `scale`: a scale's name, for the leaves of `demo` updated with the scale's own; or a file of leaves to change in
    params.yaml. All other leaves keep their values. Raises `SystemExit` for an unknown scale or an unknown parameter.
    """
    if isinstance(scale, Path) and scale.parent == SCALES:
        scale = scale.stem
    if isinstance(scale, str) and scale not in names():
        raise SystemExit(f"scale {scale!r} is not known; the scales are {', '.join(names())}")
    now = flatten(read_yaml(params))
    if isinstance(scale, Path):
        return now | _read_leaves(scale, now)
    demo = _read_leaves(SCALES / f"{DEMO}.yaml", now)
    stray = _stray_overrides(demo)
    kept = {key: value for key, value in now.items() if key not in stray}
    return kept | demo | _read_leaves(SCALES / f"{scale}.yaml", now)


def blocks(scale: str | Path) -> dict[str, Any]:
    """params.yaml at a scale as the stages see it: each block merged with the shared values."""
    tree: dict[str, Any] = {}
    for key, value in leaves(scale).items():
        *parents, leaf = key.split(".")
        block = tree
        for parent in parents:
            block = block.setdefault(parent, {})
        block[leaf] = value
    return merged_blocks(tree, read_yaml(DAG))


def _stray_overrides(demo: dict[str, Any]) -> set[str]:
    """Keys, not set by demo, with which a single stage would override a shared value that demo sets."""
    return {key for key, shared in _override_keys(demo).items() if shared in demo} - demo.keys()


def _override_keys(leaves: dict[str, Any]) -> dict[str, str]:
    """Keys with which a single stage can override a shared value: `{"mmlu.limit": "asking.limit", ...}`."""
    sharing = _shared_blocks().items()
    values = [(own, *key.split(".")[1:], key) for own, names in sharing for key in leaves if key.split(".")[0] in names]
    return {f"{own}.{name}": key for own, name, *deeper, key in values if not deeper}


@cache
def _shared_blocks() -> dict[str, list[str]]:
    return shared_blocks(read_yaml(DAG))


def _read_leaves(file: Path, now: dict[str, Any]) -> dict[str, Any]:
    """The leaves that a file sets. Raises `SystemExit` for a key that is no parameter."""
    then = flatten(read_yaml(file))
    if unknown := sorted(then.keys() - now.keys() - _override_keys(now).keys()):
        raise SystemExit(f"{file.name}: not in params.yaml: {', '.join(unknown)}")
    return then


def switch(scale: str | Path, dry_run: bool = False, params: Path = PARAMS) -> None:
    """Set params.yaml to a scale or to the leaves of a file, keep its comments, and print each value that changes."""
    changes = differences(scale, params)
    for key, (now, then) in changes.items():
        print(f"{key}: {now} -> {then}")
    print(f"{len(changes)} values {'would change' if dry_run else 'changed'}; `snakemake -n` lists what will run")
    if dry_run or not changes:
        return
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    yaml.Representer = Representer
    tree = yaml.load(params.read_text(encoding="utf-8"))
    if isinstance(scale, str):
        for key in _stray_overrides(flatten(read_yaml(SCALES / f"{DEMO}.yaml"))):
            block, leaf = _place(tree, key)
            block.pop(leaf, None)
    # New keys go before the existing ones, in the scale's order, whichever scale params.yaml is at now.
    for key, value in reversed(leaves(scale, params).items()):
        block, leaf = _place(tree, key)
        if leaf not in block:
            block.insert(0, leaf, _flow(value))
        elif key in changes:
            block[leaf] = _flow(value)
    text = io.StringIO()
    yaml.dump(tree, text)
    replace_text(params, text.getvalue())


def _place(tree: Any, key: str) -> tuple[Any, str]:
    """The block that holds a dotted key, and the key's last part."""
    *parents, leaf = key.split(".")
    for parent in parents:
        tree = tree[parent]
    return tree, leaf


def _flow(value: Any) -> Any:
    """Write lists on one line, as params.yaml does."""
    if not isinstance(value, list):
        return value
    items = CommentedSeq(value)
    items.fa.set_flow_style()
    return items


def _float(representer: Any, value: float) -> Any:
    """Write floats so that YAML 1.1 reads them as floats too: it needs a point, as in 1.0e-08."""
    text = repr(value)
    return representer.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text.replace("e", ".0e"))


class Representer(RoundTripRepresenter):
    """Writes null instead of an empty value. A subclass, because DVC uses the base class and its representers too."""


Representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))
Representer.add_representer(float, _float)
