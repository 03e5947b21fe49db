"""`lemur scale NAME`: set the leaves of params.yaml that make up a scale, and show what that changes."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter

from lemur.core.blocks import merged_blocks, shared_blocks
from lemur.core.files import DAG, PARAMS, SCALES, flatten, read_yaml

DEMO = "demo"  # the scale that sets every leaf that any scale sets; the others hold what differs from it
SHARED = "the shared value"


def names() -> list[str]:
    return sorted(path.stem for path in SCALES.glob("*.yaml"))


def show() -> None:
    """Print every scale and in how many values params.yaml differs from it."""
    for name in names():
        away = len(differences(name))
        print(f"{name:12} {'this is params.yaml now' if not away else f'{away} values differ'}")


def differences(scale: str | Path, params: Path = PARAMS) -> dict[str, tuple[Any, Any]]:
    """Leaves that switching to a scale would change, as {dotted key: (now, then)}; `SHARED` where a leaf is not set."""
    now, then = flatten(read_yaml(params)), leaves(scale, params)
    values = {key: (now.get(key, SHARED), then.get(key, SHARED)) for key in (*then, *(now.keys() - then.keys()))}
    return {key: (before, after) for key, (before, after) in values.items() if before != after}


def leaves(scale: str | Path, params: Path = PARAMS) -> dict[str, Any]:
    """Leaves of params.yaml as a scale sets them, by dotted key.

    `scale`: its name, which stands for the leaves of `demo` and those in which it differs; or a file of leaves that
    differ from params.yaml. What neither sets stays as it is. Raises `SystemExit` for a name of no scale, and for a key
    of no parameter.
    """
    if isinstance(scale, Path) and scale.parent == SCALES:
        scale = scale.stem
    if isinstance(scale, str) and scale not in names():
        raise SystemExit(f"scale {scale!r} is not known; there are {', '.join(names())}")
    now = flatten(read_yaml(params))
    if isinstance(scale, Path):
        return now | _known(scale, now)
    demo = _known(SCALES / f"{DEMO}.yaml", now)
    kept = {key: value for key, value in now.items() if key not in _own_values(demo)}
    return kept | demo | _known(SCALES / f"{scale}.yaml", now)


def blocks(scale: str | Path) -> dict[str, Any]:
    """params.yaml at a scale as the stages see it: each block with the values that it shares."""
    tree: dict[str, Any] = {}
    for key, value in leaves(scale).items():
        *parents, leaf = key.split(".")
        block = tree
        for parent in parents:
            block = block.setdefault(parent, {})
        block[leaf] = value
    return merged_blocks(tree, read_yaml(DAG))


def _own_values(demo: dict[str, Any]) -> set[str]:
    """Keys that would override for one stage a shared value that demo sets, and that demo does not set."""
    return {key for key, shared in _overriding(demo).items() if shared in demo} - demo.keys()


def _overriding(leaves: dict[str, Any]) -> dict[str, str]:
    """Keys with which one stage overrides a shared value: `{"mmlu.limit": "asking.limit", ...}`."""
    sharing = shared_blocks(read_yaml(DAG)).items()
    values = [(own, *key.split(".")[1:], key) for own, names in sharing for key in leaves if key.split(".")[0] in names]
    return {f"{own}.{name}": key for own, name, *deeper, key in values if not deeper}


def _known(file: Path, now: dict[str, Any]) -> dict[str, Any]:
    """The leaves that a file sets. Raises `SystemExit` where one is of no parameter."""
    then = flatten(read_yaml(file))
    if unknown := sorted(then.keys() - now.keys() - _overriding(now).keys()):
        raise SystemExit(f"{file.name}: not in params.yaml: {', '.join(unknown)}")
    return then


def switch(scale: str | Path, dry_run: bool = False, params: Path = PARAMS) -> None:
    """Set params.yaml to a scale or to the leaves of a file, comments kept, and print each value that changes."""
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
    tree = yaml.load(params.read_text())
    if isinstance(scale, str):
        for key in _own_values(flatten(read_yaml(SCALES / f"{DEMO}.yaml"))):
            block, leaf = _place(tree, key)
            block.pop(leaf, None)
    # What a scale adds goes before what stands there, in the scale's order, from whatever scale one comes.
    for key, value in reversed(leaves(scale, params).items()):
        block, leaf = _place(tree, key)
        if leaf not in block:
            block.insert(0, leaf, _flow(value))
        elif key in changes:
            block[leaf] = _flow(value)
    text = io.StringIO()
    yaml.dump(tree, text)
    partial = params.with_name(f".{params.name}.partial")
    partial.write_text(text.getvalue())
    partial.rename(params)


def _place(tree: Any, key: str) -> tuple[Any, str]:
    """The block that a dotted key is in, and its name there."""
    *parents, leaf = key.split(".")
    for parent in parents:
        tree = tree[parent]
    return tree, leaf


def _flow(value: Any) -> Any:
    """A list on one line, as params.yaml writes it."""
    if not isinstance(value, list):
        return value
    items = CommentedSeq(value)
    items.fa.set_flow_style()
    return items


def _float(representer: Any, value: float) -> Any:
    """A float that YAML 1.1 also reads as one: it wants a point, as in 1.0e-08."""
    text = repr(value)
    return representer.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text.replace("e", ".0e"))


class Representer(RoundTripRepresenter):
    """Writes null, not nothing. A class of its own: representers belong to the class, which DVC uses too."""


Representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))
Representer.add_representer(float, _float)
