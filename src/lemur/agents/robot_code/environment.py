"""An episode of RoboCodeGen: the model writes a function, and again after each error, until its code runs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from lemur.agents.episodes.cell_record import CellRecord, Output
from lemur.agents.episodes.environment import Action, Message, Step
from lemur.agents.episodes.results import RULES
from lemur.agents.robot_code import program
from lemur.agents.robot_code.prompts import after_error, opening
from lemur.benchmark_items.robocodegen import Problem, Setting
from lemur.core.records import dump
from lemur.evaluation.kinds.code_blocks import without_fence


@dataclass(frozen=True)
class Limits:
    """`turns`: answers of the model; of each, processor `seconds` and MiB; `characters` of an error that it reads."""

    turns: int
    seconds: int
    memory_mb: int
    characters: int


@dataclass(frozen=True)
class RobotWorld:
    """A problem; `examples`: which few-shot prompt the model reads."""

    problem: Problem
    setting: Setting
    examples: str
    in_chat: bool
    limits: Limits
    record: CellRecord

    @property
    def id(self) -> str:
        return self.problem.id

    def open(self) -> "RobotEnvironment":
        return RobotEnvironment(self)

    def message(self, step: Step, feedback: str) -> str:
        return after_error(self.problem, step.observation, in_chat=self.in_chat)

    def run(self, code: str) -> Output:
        """The error that the paper's rule shows, or an empty text; the verdicts by each rule under which it ran."""
        task = {name: value for name, value in vars(self.problem).items() if name != "tests"}
        tests = [[list(test.inputs), test.expected] for test in self.problem.tests]
        setting = [self.setting.definitions, self.setting.object_points]
        key = hashlib.sha256(dump([task, tests, setting, code]).encode()).hexdigest()
        output = self.record.get(key)
        if output is None:
            output = judge(self.problem, self.setting, code, self.limits)
            self.record.put(key, output)
        return output


def judge(problem: Problem, setting: Setting, code: str, limits: Limits) -> Output:
    """`RobotWorld.run` without its record."""

    def called(separate: bool) -> program.Called:
        return program.call(
            problem, setting, code, separate=separate, seconds=limits.seconds, memory_mb=limits.memory_mb
        )

    error = program.banned(code)
    if not error:
        run = called(separate=True)
        if run.status == "returned":
            return Output("", verdicts(problem, run, limits))
        error = run.error
    run = called(separate=False)
    solved = verdicts(problem, run, limits) if run.status == "returned" else {}
    return Output(error, {"strict": solved["strict"]} if solved else {})


def verdicts(problem: Problem, run: program.Called, limits: Limits) -> Mapping[str, bool]:
    """Whether all results are right, by rule."""
    pairs = [(problem.equality, test.expected, value) for test, value in zip(problem.tests, run.values, strict=True)]
    compared = program.compare(pairs, limits.memory_mb)
    return {rule: all(verdict[rule] for verdict in compared) for rule in RULES}


@dataclass
class RobotEnvironment:
    """`lemur.agents.episodes.environment.Environment`. It says only whether the code raised an error, never whether its
    results are right. `paper` judges the code that ended the episode; `strict` the first that ran by its own rule."""

    world: RobotWorld
    turns: int = field(default=0, init=False)
    judged: bool = field(default=False, init=False)
    """Whether `strict` has its verdict."""

    def reset(self) -> list[Message]:
        self.turns, self.judged = 0, False
        world = self.world
        text = opening(world.problem, world.setting, world.examples, in_chat=world.in_chat)
        return [{"role": "user", "content": text}]

    def step(self, answer: str) -> Step:
        self.turns += 1
        code = without_fence(answer).strip()
        output = self.world.run(code)
        left = {"turns": self.world.limits.turns - self.turns}
        solved = {"paper": output.solved.get("paper", False), "strict": False}
        if "strict" in output.solved and not self.judged:
            self.judged, solved["strict"] = True, output.solved["strict"]
        ended = "turns" if not left["turns"] else None
        if not output.text:
            ended = "solved" if solved["paper"] else "wrong"
        return Step(Action("solution", code), output.text[-self.world.limits.characters :], solved, ended, left)

    def close(self) -> None:
        """Nothing is open between two turns."""
