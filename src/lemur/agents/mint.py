"""MINT: reasoning with Python and Wikipedia, code with self-debugging, over several turns (paper, Tables 4 and 7)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur import sandbox
from lemur.agents.acting import ActParams, Assignment, act, open_model, outlook, say, write_played
from lemur.agents.dialogue.environment import Dialogue
from lemur.agents.dialogue.messages import Limits, first_message, next_message
from lemur.agents.dialogue.texts import Texts, read_texts
from lemur.agents.episodes.cell_record import Cells
from lemur.agents.episodes.environment import Step
from lemur.agents.episodes.results import results
from lemur.agents.python_cells import PythonInterpreter, Tools, record
from lemur.agents.scoring.verdict import judge
from lemur.agents.search.interface import DESCRIPTION
from lemur.agents.search.layers import SearchParams, open_search
from lemur.benchmark_items import mint as items
from lemur.core.records import Record
from lemur.evaluation.harness.asking import choose
from lemur.evaluation.harness.result import origin, write_skipped
from lemur.inference.answers.cache import Outlook
from lemur.sandbox.sessions.session import Session
from lemur.sources.fetched import Fetched, load
from lemur.sources.reading.rows import readable


class Params(ActParams, SearchParams):
    pass


def mint(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Play the chosen tasks of the fetched `benchmark`; write the result and one episode a line. Without a sandbox or
    without tasks the result is `skipped`."""
    source = load(benchmark)
    tasks = read_tasks(source)
    if reason := why_skipped(source, tasks):
        return write_skipped("mint", reason, params, result, samples)
    player = open_model(params, model, "mint", params.prompt)
    setting = Setting(params, source, with_feedback=False)
    assignments = setting.assignments(tasks)
    say("mint", model, outlook(params, player, assignments))
    finished = act(params, player, assignments)
    write_played(
        "mint",
        params,
        player,
        finished,
        results("mint", finished),
        original=len(tasks),
        config=setting.config(),
        result=result,
        samples=samples,
    )


def rehearse(params: Params, model: Path, benchmark: Path) -> Outlook:
    """What the stage would ask if it ran now (`lemur answers`)."""
    source = load(benchmark)
    tasks = read_tasks(source)
    if reason := why_skipped(source, tasks):
        return Outlook("skipped", reason)
    assignments = Setting(params, source, with_feedback=False).assignments(tasks)
    return outlook(params, open_model(params, model, "mint", params.prompt), assignments)


def read_tasks(source: Fetched) -> list[items.Task]:
    return [task for file in source.files if file.schema in items.TASK_SCHEMAS for task in readable(items.read(file))]


def choose_tasks(params: Params, tasks: Sequence[items.Task]) -> list[items.Task]:
    """At most `params.limit` of each kind."""
    kinds = {task.task: [each for each in tasks if each.task == task.task] for task in tasks}
    return [task for kind in kinds.values() for task in choose(kind, params.limit, params.seed, lambda task: task.id)]


def why_skipped(source: Fetched, tasks: Sequence[items.Task]) -> str | None:
    return sandbox.why_unavailable() if tasks else f"the source {source.name} is left out"


class Setting:
    """What all episodes of a run share."""

    def __init__(self, params: Params, source: Fetched, *, with_feedback: bool) -> None:
        self.params, self.source, self.with_feedback = params, source, with_feedback
        self.texts: Texts = read_texts(source)
        self.search = open_search(source.files, params)
        self.cells = record(self.search.record())

    def assignments(self, tasks: Sequence[items.Task]) -> list[Assignment]:
        """The chosen tasks with each number of turns."""
        params = self.params
        chosen = choose_tasks(params, tasks)
        return [
            Assignment(
                MintWorld(self, task, params.limits(turns), params.suffix(turns)),
                task.task,
                items.group(task.task),
                str(task.reference),
                turns,
            )
            for turns in reversed(params.turns)
            for task in chosen
        ]

    def tools(self, task: str) -> tuple[str, Tools]:
        """The tools' description for the model, and what they call."""
        return ("", {}) if items.group(task) == "code" else (DESCRIPTION, {"wikipedia_search": self.search.search})

    def config(self) -> Record:
        return {"data": origin(self.source), "search": self.search.record()}


@dataclass(frozen=True)
class MintWorld:
    """A task with its limits; `suffix` tells its episode from those with other limits."""

    setting: Setting
    task: items.Task
    limits: Limits
    suffix: str

    @property
    def id(self) -> str:
        return f"{self.task.id}{self.suffix}"

    def open(self) -> Dialogue:
        setting, task = self.setting, self.task
        description, tools = setting.tools(task.task)
        opening = first_message(
            setting.texts.template,
            limits=self.limits,
            tools=description,
            example=setting.texts.example(task.task, setting.with_feedback),
            task=task.task_prompt,
        )
        cells = Cells(description, python(setting.params, tools), setting.cells)
        return Dialogue(opening, self.limits, cells, lambda solution: judge(task.task, task, solution))

    def message(self, step: Step, feedback: str) -> str:
        return next_message(step, feedback)


def python(params: ActParams, tools: Tools) -> Callable[[], PythonInterpreter]:
    return lambda: PythonInterpreter(
        Session(
            tools,
            seconds=params.cell_seconds,
            characters=params.observation_characters,
            memory_mb=params.cell_memory,
        )
    )
