"""The how-tos of docs/, done literally: what a page says to write, and the commands under its heading Build.

python -m tests.how_to docs/add_a_source.md     # write the page's files and entries into this checkout
"""

import io
import re
import sys
from pathlib import Path
from textwrap import dedent

from ruamel.yaml import YAML

BLOCK = r"((?:    .*\n|\n)+)"


def write_files(page: Path, root: Path) -> list[str]:
    """Write the files and YAML entries that a page shows into a checkout; their paths."""
    shown = re.findall(
        rf"^`([\w./]+)`[^\n]*(?:\n[^\n]+)*:\n\n{BLOCK}",
        page.read_text(encoding="utf-8").split("## Build\n")[0],
        re.MULTILINE,
    )
    for name, block in shown:
        _write(root / name, dedent(block).strip("\n") + "\n")
    return [name for name, _ in shown]


def commands(page: Path) -> list[str]:
    """The commands under a page's heading Build."""
    build = re.search(rf"\n{BLOCK}", page.read_text(encoding="utf-8").split("## Build\n")[1])
    assert build, f"{page}: no commands under ## Build"
    return re.findall(r"^    (.*)$", build[0], re.MULTILINE)


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
