"""The how-tos of docs/, done literally: what a page says to write. Its commands: tests/docs/commands.py.

python -m tests.how_to docs/add_a_source.md     # write the page's files and entries into this checkout
"""

import io
import re
import sys
from pathlib import Path
from textwrap import dedent

from ruamel.yaml import YAML


def shown(page: Path) -> list[tuple[str, str]]:
    """Path and text of each file, or YAML entry of a file, that a page says to write."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^`([\w./]+)`[^\n]*(?:\n[^\n]+)*:\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return [(name, dedent(block).strip("\n") + "\n") for name, block in blocks]


def write_files(page: Path, root: Path) -> list[str]:
    """Write what a page shows into a checkout; the paths."""
    files = shown(page)
    for name, content in files:
        _write(root / name, content)
    return [name for name, _ in files]


def _write(path: Path, content: str) -> None:
    """A new file, or entries that a YAML file gets."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return
    yaml = YAML()
    yaml.width = 4096
    tree = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in YAML().load(content).items():
        tree.setdefault(key, {}).update(value)
    text = io.StringIO()
    yaml.dump(tree, text)
    path.write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    for name in write_files(Path(sys.argv[1]), Path.cwd()):
        print("wrote", name)
