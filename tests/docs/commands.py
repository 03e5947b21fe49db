"""Every command of README.md, CONTRIBUTING.md and docs/*.md. A block of a page is commands if it starts with one."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.tools import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = {
    *("make", "lemur", "snakemake", "dvc", "python", "pytest", "git", "$EDITOR", "source", "export", "for", "tail"),
    *("zstdcat", "dask", "sbatch", "docker"),
}
VARIABLES = r"(?:[A-Z_]+=\S+ )*"


@dataclass(frozen=True)
class Command:
    page: str
    line: int
    text: str  # as the page has it, without its comment
    output: str = ""  # what the page says that it prints


def blocks(page: Path) -> list[tuple[int, str]]:
    """Line number and text of each block that is indented or fenced, except pictures."""
    found = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        start, fence = number, re.match(r"```(\w*)$", lines[number])
        if fence:
            number = lines.index("```", start + 1)
            if fence[1] != "mermaid":
                found.append((start + 2, "\n".join(lines[start + 1 : number])))
        elif lines[number].startswith("    "):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number]):
                number += 1
            found.append((start + 1, dedent("\n".join(lines[start:number])).rstrip()))
            continue
        number += 1
    return found


def is_commands(block: str) -> bool:
    first = re.sub(rf"^(\$ )?{VARIABLES}", "", block)
    return first.split()[0] in PROGRAMS


def commands(page: Path) -> list[Command]:
    """The commands of a page in its order: a line each, or up to `done`, or with the lines that end in a backslash."""
    name = str(page.relative_to(ROOT))
    return [command for line, block in blocks(page) if is_commands(block) for command in _split(name, line, block)]


def _split(page: str, line: int, block: str) -> list[Command]:
    if block.startswith("$ "):  # a terminal: what follows a command is its output
        shown = re.findall(r"^\$ (.*)\n((?:[^$].*\n?)*)", block, re.MULTILINE)
        return [Command(page, line, text, output) for text, output in shown]
    bare = [re.sub(r"\s{2,}# .*$", "", row) for row in block.split("\n")]
    found, rows = [], []
    for number, row in enumerate(bare, line):
        rows += [row] if row else []
        if rows and not row.endswith("\\") and (not rows[0].startswith("for ") or row == "done"):
            found.append(Command(page, number + 1 - len(rows), "\n".join(rows)))
            rows = []
    return found
