"""`lemur scale NAME`: set the leaves of params.yaml that make up a scale, and show what that changes."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from lemur.core.files import PARAMS, SCALES, flatten, read_yaml


def names() -> list[str]:
    return sorted(path.stem for path in SCALES.glob("*.yaml"))


def show() -> None:
    """Print every scale and in how many values params.yaml differs from it."""
    for name in names():
        away = len(differences(name))
        print(f"{name:12} {'this is params.yaml now' if not away else f'{away} values differ'}")


def differences(name: str, params: Path = PARAMS) -> dict[str, tuple[Any, Any]]:
    """Leaves that switching to a scale would change, as {dotted key: (now, then)}."""
    now, then = flatten(read_yaml(params)), leaves(name, params)
    return {key: (now[key], value) for key, value in then.items() if now[key] != value}


def leaves(scale: str | Path, params: Path = PARAMS) -> dict[str, Any]:
    """Leaves of params.yaml as a scale sets them, by dotted key. `scale`: its name, or a file as those in scales/.

    Raises `SystemExit` for a name of no scale, and for a key of no parameter.
    """
    if isinstance(scale, str) and scale not in names():
        raise SystemExit(f"scale {scale!r} is not known; there are {', '.join(names())}")
    file = SCALES / f"{scale}.yaml" if isinstance(scale, str) else scale
    now, then = flatten(read_yaml(params)), flatten(read_yaml(file))
    if unknown := sorted(set(then) - set(now)):
        raise SystemExit(f"{file.name}: not in params.yaml: {', '.join(unknown)}")
    return now | then


def switch(name: str, dry_run: bool = False, params: Path = PARAMS) -> None:
    """Set params.yaml to a scale, comments kept, and print each value that changes."""
    changes = differences(name, params)
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
    for key, (_, then) in changes.items():
        *parents, leaf = key.split(".")
        block = tree
        for parent in parents:
            block = block[parent]
        block[leaf] = then
    text = io.StringIO()
    yaml.dump(tree, text)
    partial = params.with_name(f".{params.name}.partial")
    partial.write_text(text.getvalue())
    partial.rename(params)


def _float(representer: Any, value: float) -> Any:
    """A float that YAML 1.1 also reads as one: it wants a point, as in 1.0e-08."""
    text = repr(value)
    return representer.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text.replace("e", ".0e"))


class Representer(RoundTripRepresenter):
    """Writes null, not nothing. A class of its own: representers belong to the class, which DVC uses too."""


Representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))
Representer.add_representer(float, _float)
