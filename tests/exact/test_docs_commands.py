"""The commands of README.md, CONTRIBUTING.md and docs/, in the order of each page, in one clone with an empty home.

Four minutes on one idle core. tests/docs/elsewhere.py names those that are run elsewhere.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.commands import PAGES, blocks, commands
from tests.docs.elsewhere import ELSEWHERE, FOLLOWED
from tests.exact.conftest import demo_in
from tests.processes import until
from tests.tools import ROOT, Project

pytestmark = pytest.mark.exact

# What a reader puts in the place of a page's words.
FILLED = {
    "lemur eval FOLDER": "lemur eval models/lemur_chat",
    "lemur rescore FOLDER": "lemur rescore data/eval",
    "lemur replay FOLDER": "lemur replay data/eval",
    "SAMPLES FOLDER": "data/eval/lemur_chat/mint.jsonl .lemur/logs",
    "mint.jsonl FOLDER": "mint.jsonl .lemur/logs",
    "data/eval FOLDER": "data/eval .lemur/atif",
    "lineage PATH": "lineage reports/summary/",
    "--limit 20": "--limit 2",
    "tests/ROOM": "tests/pages",
    "make format check": "make format",  # CI runs `make check`, which takes a minute
    "OWNER/NAME": "someone/lemur",
    "/mnt/shared/lemur": "../shared",
}
TYPED = {"lemur chat": "What is a lemur?\n"}
# A number of the page's own, or a free one for the test.
SERVERS = {"make ui": "MLFLOW_PORT={port} make ui", "lemur serve --port 8000": "lemur serve --port {port}"}
BUILD = "snakemake --cores all "
HERE = [
    page
    for page in PAGES
    if page.name not in FOLLOWED and any(command.text not in ELSEWHERE for command in commands(page))
]
TARGETS = [
    command.text.removeprefix(BUILD)
    for page in HERE
    for command in commands(page)
    if command.text.startswith(BUILD) and command.text not in ELSEWHERE
]


class Reader:
    """Somebody who tries the pages in `project`; a command that several pages have is tried once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.printed: dict[str, str] = {}

    def environment(self) -> dict[str, str]:
        return {**self.project.variables(), "EDITOR": "true", "COLUMNS": "200"}

    def does(self, command: str) -> str:
        """What a command prints; AssertionError if it fails. One build for all targets: each start takes seconds."""
        command = BUILD + " ".join(sorted(set(TARGETS))) if command.startswith(BUILD) else command
        if command not in self.printed:
            self.printed[command] = self._serves(command) if command in SERVERS else self._runs(command)
        return self.printed[command]

    def _runs(self, command: str) -> str:
        for words, filled in FILLED.items():
            command = command.replace(words, filled)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.project.root,
            env=self.environment(),
            input=TYPED.get(command, ""),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert done.returncode == 0 and "Traceback" not in done.stdout, f"{command}\n{done.stdout}"
        return done.stdout

    def _serves(self, command: str) -> str:
        with self.serving(command) as (_, log):
            return log.read_text(encoding="utf-8")

    @contextmanager
    def serving(self, command: str) -> Iterator[tuple[int, Path]]:
        """Port and log of a server that answers; it is killed at the end."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = self.project.root.with_name("served")
        with log.open("wb") as file:
            server = subprocess.Popen(
                ["bash", "-c", f"exec env {SERVERS[command].format(port=port)}"],
                cwd=self.project.root,
                env=self.environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(lambda: server.poll() is not None or answers(port))
            printed = log.read_text(encoding="utf-8")
            assert server.poll() is None and f"127.0.0.1:{port}" in printed, f"{command}\n{printed}"
            yield port, log
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def answers(port: int) -> bool:
    time.sleep(0.5)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
            return b"<html" in page.read().lower()
    except OSError:
        return False


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    project = demo_in(tmp_path_factory.mktemp("reader"))
    # What `make setup` would leave: make compares times, and would install into this environment.
    (project.root / ".venv").symlink_to(sys.prefix)
    for name in ("requirements/uv.txt", "requirements/core.txt", "bin/lemur"):
        os.utime(project.root / name, (0, 0))
    yield Reader(project)


@pytest.mark.parametrize("page", HERE, ids=[str(page.relative_to(ROOT)) for page in HERE])
def test_the_commands_do_what_the_page_says(reader: Reader, page: Path) -> None:
    settings = reader.project.root / ".dvc/config.local"
    before = settings.read_bytes()
    try:
        for command in commands(page):
            if command.text not in ELSEWHERE:
                printed = reader.does(command.text)
                for part in command.output.split("..."):
                    assert part.strip() in printed, f"{command.page}:{command.line}: {part!r} is not in\n{printed}"
    finally:
        reader.project.run("git", "checkout", "-q", ".")
        settings.write_bytes(before)
    if page.name == "reproducibility.md":  # the report of a build; the first line has what ran, here nothing
        line = re.search(r"^    (All .* artifacts have .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        stages = re.search(r"^    (\d+ stages): ", page.read_text(encoding="utf-8"), re.MULTILINE)
        printed = reader.does("snakemake --cores all")
        assert line and stages and line[1] in printed and stages[1] in printed
    assert reader.project.run("git", "status", "--porcelain") == "", "a command left files that Git does not ignore"


def example(page: str, start: str) -> str:
    """The block of Python on a page that begins with `start`."""
    [block] = [block for _, block in blocks(ROOT / "docs" / page) if block.startswith(start)]
    return block


def test_the_sandboxs_examples(reader: Reader) -> None:
    def prints(program: str) -> str:
        return reader.project.run("env", "PYTHONPATH=src", "python", "-c", program)

    program = example("sandbox.md", "from lemur import sandbox")
    assert prints(f"{program}\nprint(result.status, done.stdout, done.returncode)") == "passed text 0\n"
    session = example("sandbox.md", "from lemur.sandbox.sessions")
    [shown] = re.findall(r"output\.text +# (.*)", session)
    goto = "def goto(place): return f'You go to {place}.'"
    assert prints(f"{goto}\n{session}\nprint(output.text, output.ended)") == f"{shown}\n None\n"


def test_the_example_of_openais_client(reader: Reader) -> None:
    program = example("use.md", "from openai import OpenAI")
    call = program.replace("\nclient.chat", "\nanswer = client.chat") + "\nprint(len(answer.choices))"
    with reader.serving("lemur serve --port 8000") as (port, _):
        assert reader.project.run("python", "-c", call.replace(":8000", f":{port}")) == "1\n"
