"""Scripted solutions of the project's own tasks: symbolic actions that name elements by the beginning of their text."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from lemur.agents.episodes.environment import Step
from lemur.agents.web.actions import Form, parse_symbolic
from lemur.agents.web.addresses import own_sites
from lemur.agents.web.environment import Setting, WebEnvironment
from lemur.agents.web.prompts import Texts
from lemur.benchmark_items.webarena import Task, read
from lemur.core.files import ROOT
from lemur.sources.fetched import FetchedFile
from lemur.sources.reading.rows import readable

BUNDLED = ROOT / "data" / "sources" / "webarena" / "bundled"
TEXTS = Texts(
    "", (), "OBSERVATION:\n{observation}\nURL: {url}\nOBJECTIVE: {objective}\nPREVIOUS ACTION: {previous_action}"
)


def own_tasks() -> list[Task]:
    return readable(read(FetchedFile(BUNDLED, "tasks.json", "webarena", "", {})))


def scripts() -> dict[str, dict[str, list[str]]]:
    return json.loads((BUNDLED / "solutions.json").read_text(encoding="utf-8"))


def setting(form: Form = "symbolic", screenshots: Path | None = None) -> Setting:
    return Setting(own_sites(), TEXTS, form, 30, screenshots)


def message(line: str, observation: str, form: Form) -> str:
    """A model's message with the action of a script's `line`, whose elements have to be on the page."""
    for wanted in re.findall(r"\[\{(.*?)\}\]", line):
        found = re.search(r"\[(\d+)\] [^\n]*?" + re.escape(wanted.rstrip("'")), observation)
        assert found, f"{wanted} is not on the page:\n{observation}"
        line = line.replace(f"[{{{wanted}}}]", f"[{found[1]}]")
    action = parse_symbolic(line)
    assert action, line
    return f"```{line if form == 'symbolic' else action.call()}```"


def play_script(task: Task, lines: Sequence[str], form: Form = "symbolic") -> list[Step]:
    """The steps of a script, whose last line stops."""
    environment = WebEnvironment(setting(form), task)
    steps: list[Step] = []
    try:
        observation = environment.reset()[-1]["content"]
        for line in lines:
            steps.append(environment.step(message(line, observation, form)))
            observation = steps[-1].observation
    finally:
        environment.close()
    return steps
