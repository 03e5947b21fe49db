"""RoboCodeGen: functions of a robot's program, written again after error messages (paper, Table 5)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur import sandbox
from lemur.agents.acting import open_model, write
from lemur.agents.episodes.cell_record import record_of
from lemur.agents.episodes.episode import Episode
from lemur.agents.episodes.play import Asking, play
from lemur.agents.episodes.results import Finished, results
from lemur.agents.robot_code import program, prompts
from lemur.agents.robot_code.environment import Limits, RobotWorld
from lemur.benchmark_items import robocodegen as items
from lemur.core import workers
from lemur.core.records import dump
from lemur.evaluation.harness.asking import choose
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.result import origin, write_skipped
from lemur.inference.interface import Model
from lemur.sources.fetched import Fetched, load
from lemur.sources.reading.rows import readable

NAME = "robocodegen"
REFERENCE_CHARACTERS = 2000


class Params(GenerateParams):
    limit: int | None = Field(description="problems, a seeded choice; null for all", gt=0)
    turns: int = Field(description="answers of the model in an episode", gt=0)
    examples: Literal["hierarchical", "flat"] = Field(
        description="few-shot prompt: its functions call others that are not defined yet, or none"
    )
    seconds: int = Field(description="processor seconds, or seconds asleep, of an answer's code", gt=0)
    memory: int = Field(description="MiB that it may use", gt=0)
    error_characters: int = Field(description="characters of an error message that the model reads, its last", gt=0)

    def prompt(self, model: Model, episode: Episode) -> str:
        return prompts.prompt(model, episode, in_chat=self.in_chat(model))

    def asking(self, model: Model) -> Asking:
        return Asking(self.prompt, self.max_new_tokens, self.stops(() if self.in_chat(model) else prompts.STOP))

    def limits(self) -> Limits:
        return Limits(self.turns, self.seconds, self.memory, self.error_characters)


def robocodegen(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Play the chosen problems of the fetched `benchmark`; write the result and one episode a line. Without problems, a
    sandbox or the libraries in it the result is `skipped`."""
    source = load(benchmark)
    if reason := why_skipped(source):
        return write_skipped(NAME, reason, params, result, samples)
    problems, setting = read_problems(source)
    player = open_model(params, model, NAME, params.prompt)
    finished = act(params, player, choose_problems(params, problems), setting)
    write(
        NAME,
        params,
        player,
        finished,
        results(NAME, finished),
        original=len(problems),
        effective=len(finished),
        config={"data": origin(source), "stop": params.asking(player).stop},
        result=result,
        samples=samples,
    )


def why_skipped(source: Fetched) -> str | None:
    if not any(file.schema == NAME for file in source.files):
        return f"the source {source.name} is left out"
    return sandbox.why_unavailable() or program.why_missing()


def read_problems(source: Fetched) -> tuple[list[items.Problem], items.Setting]:
    """Raises `ValueError` if the source has not exactly one file of problems, or for a bad record."""
    files = [file for file in source.files if file.schema == NAME]
    if len(files) != 1:
        raise ValueError(f"source {source.name}: {len(files)} files of schema {NAME}; one is allowed")
    return readable(items.read(files[0])), items.read_setting(files[0])


def choose_problems(params: Params, problems: Sequence[items.Problem]) -> list[items.Problem]:
    return choose(problems, params.limit, params.seed, lambda problem: problem.id)


def act(params: Params, model: Model, problems: Sequence[items.Problem], setting: items.Setting) -> list[Finished]:
    """Play `problems`, in their order."""
    in_chat = params.in_chat(model)
    record = record_of(
        ("agents/robot_code", "sandbox"), program.LIBRARIES, {"seconds": params.seconds, "memory": params.memory}
    )
    worlds = [RobotWorld(each, setting, params.examples, in_chat, params.limits(), record) for each in problems]
    episodes = play(model, worlds, params.asking(model), workers=workers.count() + 1)
    return [
        Finished(problem.group, problem.equality, reference(problem), params.turns, episode)
        for problem, episode in zip(problems, episodes, strict=True)
    ]


def reference(problem: items.Problem) -> str:
    """The reference's code, else the beginning of its results."""
    return problem.reference or dump([test.expected for test in problem.tests])[:REFERENCE_CHARACTERS]
