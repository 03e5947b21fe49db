"""Every command of the pages is run in tests/exact/test_docs_commands.py, or where tests/docs/elsewhere.py says."""

import re

import pytest
import typer

from lemur.commands.app import app
from tests.docs.commands import PAGES, blocks, commands, is_commands
from tests.docs.elsewhere import ELSEWHERE, FOLLOWED, UNTRIED, Place
from tests.how_to import shown
from tests.tools import ROOT

# The first line of what is indented and neither a command nor a file or an entry that a how-to writes.
OTHER = {
    "README.md": ["return 10, 10, "],
    "accelerators.md": ["numerics:"],
    "add_a_source.md": ["files:"],
    "corpus.md": ["clean_corpus -> "],
    "design.md": ["Snakefile  "],
    "instruction_data.md": ["normalise -> "],
    "parameters.md": ["LEMUR_MIRROR  "],
    "reproducibility.md": ["clean_corpus: ", "98 stages: "],
    "sandbox.md": ["from lemur import sandbox", "from lemur.sandbox.sessions.session import Session"],
    "use.md": ["from openai import OpenAI"],
}
ON_PAGES = {command.text for page in PAGES for command in commands(page)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_command_is_overlooked(page):
    other = [block for _, block in blocks(page) if not is_commands(block)]
    if page.name in FOLLOWED:
        other = other[len(shown(page)) :]
    expected = OTHER.get(page.name, [])
    assert len(other) == len(expected), other
    for block, start in zip(other, expected, strict=True):
        assert block.startswith(start)


def test_the_commands_are_read_as_a_reader_reads_them(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    text = """Text

    make x      # a comment
    A=1 dvc push \\
        "a # b"

    for x in y; do
        lemur $x
    done
    lemur why

```mermaid
make y
```

    $ lemur answers
    reuse  # all
"""
    page.write_text(text, encoding="utf-8")
    monkeypatch.setattr("tests.docs.commands.ROOT", tmp_path)
    assert [(command.line, command.text, command.output) for command in commands(page)] == [
        (3, "make x", ""),
        (4, 'A=1 dvc push \\\n    "a # b"', ""),
        (7, "for x in y; do\n    lemur $x\ndone", ""),
        (10, "lemur why", ""),
        (16, "lemur answers", "reuse  # all"),
    ]


def test_the_table_has_only_commands_of_pages():
    assert ELSEWHERE.keys() <= ON_PAGES


@pytest.mark.parametrize("place", sorted({*ELSEWHERE.values(), *FOLLOWED.values()}), ids=lambda place: place.file)
def test_the_place_runs_the_command(place: Place):
    if place.file == UNTRIED:
        assert place.words
    else:
        assert place.words in (ROOT / place.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_within_sentences_exist(page):
    """Targets of make; commands of lemur, with their options."""
    text = page.read_text(encoding="utf-8")
    sentences = [span.replace("\n", " ") for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    words = [command.text for command in commands(page)] + sentences
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(" ".join(re.findall(r"^([a-z0-9 -]+):(?!=)", makefile, re.MULTILINE)).split())
    made = {word for text in words for target in re.findall(r"\bmake ([a-z0-9 -]+)", text) for word in target.split()}
    assert {word for word in made if not word.startswith("-")} <= targets
    known = typer.main.get_command(app).commands
    for text in words:
        for name, arguments in re.findall(r"^(?:[A-Z_]+=\S+ )*lemur ([a-z-]+)([^;&|#]*)", text):
            if not name.startswith("--"):
                options = {option for parameter in known[name].params for option in parameter.opts}
                used = set(re.findall(r"(?<=\s)(--?[a-zA-Z][\w-]*)", arguments))
                assert used <= options | {"--help"}, f"lemur {name} has no {used - options}"
