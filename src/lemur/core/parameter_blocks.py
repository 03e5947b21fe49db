"""Blocks of params.yaml: which ones each stage of dvc.yaml reads, and the parameters they merge into."""

from typing import Any

from lemur.core.files import DAG, PARAMS, read_yaml


def stage_of(cmd: str) -> str:
    """`FOLDER.STAGE`, from a stage's command."""
    words = cmd.split()
    return words[words.index("run") + 1]


def declared_blocks(entry: dict[str, Any]) -> tuple[list[str], str]:
    """Blocks of params.yaml that an entry of dvc.yaml declares: the ones it shares with other stages, and its own."""
    *shared, own = [key for key in entry["params"] if isinstance(key, str)]
    return shared, own


def shared_blocks(dag: dict[str, Any]) -> dict[str, list[str]]:
    """Shared blocks of each stage, by the stage's own block: `{"mmlu": ["asking"], ...}`."""
    declared = (declared_blocks(entry) for entry in dag["stages"].values())
    return {own: shared for shared, own in declared if shared}


def own_blocks(tree: dict[str, Any], dag: dict[str, Any]) -> dict[str, str]:
    """`FOLDER.STAGE` of each stage, by the dotted key of its own block of params.yaml (`fetch.stack`)."""
    blocks = {}
    for entry in dag["stages"].values():
        own = declared_blocks(entry)[1]
        for variable, value in variants(entry, tree):
            blocks[own.replace(variable, value)] = stage_of(entry["cmd"])
    return blocks


def variants(entry: dict[str, Any], tree: dict[str, Any]) -> list[tuple[str, str]]:
    """(matrix variable, value) for each value in an entry of dvc.yaml; a single dummy pair if it has no matrix.

    A matrix of `${fetch}` has one value for each key in that block of params.yaml (`tree`).
    """
    if "matrix" in entry:
        [(axis, values)] = entry["matrix"].items()
        if isinstance(values, str):
            values = _block(tree, values.removeprefix("${").removesuffix("}"))
        return [(f"${{item.{axis}}}", str(value)) for value in values]
    return [("${}", "")]


def outputs(tree: dict[str, Any], dag: dict[str, Any]) -> list[str]:
    """Every output of the stages in a parsed dvc.yaml, in its order; `tree` is params.yaml."""
    return [
        path.replace(variable, value)
        for entry in dag["stages"].values()
        for variable, value in variants(entry, tree)
        for path in entry_outputs(entry)
    ]


def entry_outputs(entry: dict[str, Any]) -> list[str]:
    """The outputs of an entry of dvc.yaml, matrix variables unresolved."""
    items = [item for kind in ("outs", "metrics", "plots") for item in entry.get(kind, [])]
    return [path for item in items for path in (item if isinstance(item, dict) else [item])]


def bindings(cmd: str) -> dict[str, str]:
    """The NAME=PATH arguments of a stage's command."""
    words = cmd.split()
    pairs = (word.partition("=") for word in words[words.index("run") + 2 :])
    return {name: path for name, equals, path in pairs if equals}


def merged_blocks(tree: dict[str, Any], dag: dict[str, Any]) -> dict[str, Any]:
    """params.yaml as the stages see it: each block completed with the shared values that it does not override.

    Raises `SystemExit` if a shared block is missing.
    """
    sharing = shared_blocks(dag)
    shared = {name for names in sharing.values() for name in names}
    blocks = {name: block for name, block in tree.items() if name not in shared}
    for own, names in sharing.items():
        if isinstance(block := blocks.get(own) or {}, dict):
            values: dict[str, Any] = {}
            for name in names:
                values = _merge(values, _block(tree, name))
            blocks[own] = _merge(values, block)
    return blocks


def current_blocks() -> dict[str, Any]:
    """The checkout's params.yaml as the stages see it."""
    return merged_blocks(read_yaml(PARAMS), read_yaml(DAG))


def _block(tree: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(tree.get(name), dict):
        raise SystemExit(f"params.yaml: {name}: this block is missing; dvc.yaml lists the stages that read it")
    block: dict[str, Any] = tree[name]
    return block


def _merge(defaults: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`defaults` updated with `overrides`, nested mappings key by key."""
    nested = {
        key: _merge(defaults[key], overrides[key])
        for key in defaults.keys() & overrides.keys()
        if isinstance(defaults[key], dict) and isinstance(overrides[key], dict)
    }
    return {**defaults, **overrides, **nested}
