"""Blocks of params.yaml: which of them each stage of dvc.yaml reads, and its parameters merged from them."""

from typing import Any

from lemur.core.files import DAG, PARAMS, read_yaml


def stage_of(cmd: str) -> str:
    """`FOLDER.STAGE` out of a stage's command."""
    words = cmd.split()
    return words[words.index("run") + 1]


def declared_blocks(entry: dict[str, Any]) -> tuple[list[str], str]:
    """Blocks of params.yaml that an entry of dvc.yaml declares: those it shares with others, and last its own."""
    *shared, own = [key for key in entry["params"] if isinstance(key, str)]
    return shared, own


def shared_blocks(dag: dict[str, Any]) -> dict[str, list[str]]:
    """The blocks that a stage shares with others, by its own block: `{"mmlu": ["asking"], ...}`."""
    declared = (declared_blocks(entry) for entry in dag["stages"].values())
    return {own: shared for shared, own in declared if shared}


def own_blocks(tree: dict[str, Any], dag: dict[str, Any]) -> dict[str, str]:
    """Each stage's own block of params.yaml, by dotted key (`fetch.stack`), with the stage's `FOLDER.STAGE`."""
    blocks = {}
    for entry in dag["stages"].values():
        own = declared_blocks(entry)[1]
        for variable, value in variants(entry, tree):
            blocks[own.replace(variable, value)] = stage_of(entry["cmd"])
    return blocks


def variants(entry: dict[str, Any], tree: dict[str, Any]) -> list[tuple[str, str]]:
    """The variable of an entry of dvc.yaml with each of its values; one pair where it has none.

    A matrix of `${fetch}` has one stage for each key of that block of params.yaml (`tree`).
    """
    if "matrix" in entry:
        [(axis, values)] = entry["matrix"].items()
        if isinstance(values, str):
            values = _block(tree, values.removeprefix("${").removesuffix("}"))
        return [(f"${{item.{axis}}}", str(value)) for value in values]
    return [("${}", "")]


def bindings(cmd: str) -> dict[str, str]:
    """The NAME=PATH arguments of a stage's command."""
    words = cmd.split()
    pairs = (word.partition("=") for word in words[words.index("run") + 2 :])
    return {name: path for name, equals, path in pairs if equals}


def merged_blocks(tree: dict[str, Any], dag: dict[str, Any]) -> dict[str, Any]:
    """params.yaml as the stages see it: each block with the values it shares, unless it has its own for them.

    Raises `SystemExit` where a shared block is missing.
    """
    sharing = shared_blocks(dag)
    shared = {name for names in sharing.values() for name in names}
    blocks = {name: block for name, block in tree.items() if name not in shared}
    for own, names in sharing.items():
        if isinstance(block := blocks.get(own) or {}, dict):
            values: dict[str, Any] = {}
            for name in names:
                values = _merged(values, _block(tree, name))
            blocks[own] = _merged(values, block)
    return blocks


def current_blocks() -> dict[str, Any]:
    """The checkout's params.yaml as the stages see it."""
    return merged_blocks(read_yaml(PARAMS), read_yaml(DAG))


def _block(tree: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(tree.get(name), dict):
        raise SystemExit(f"params.yaml: {name}: this block is missing; the stages that read it are in dvc.yaml")
    block: dict[str, Any] = tree[name]
    return block


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {key for key in below.keys() & above.keys() if isinstance(below[key], dict) and isinstance(above[key], dict)}
    return {**below, **above, **{key: _merged(below[key], above[key]) for key in both}}
