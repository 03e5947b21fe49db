"""What a run of agents will ask, found out before it starts: its episodes as far as their answers are on record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lemur.agents.episodes.environment import Action, Environment, Message, Step, World
from lemur.agents.episodes.play import Asking, Teacher, play
from lemur.inference.answers.cache import CachedModel, Outlook, Rehearsal
from lemur.inference.interface import Generation

NOT_ON_RECORD = "\0not on record"


class _Recorded(Rehearsal):
    """Marks the answers that are missing."""

    def generate(self, prompts: Sequence[str], **settings: object) -> list[Generation]:
        answers = super().generate(prompts, **settings)  # type: ignore[arg-type]
        return [
            replace(answer, text=NOT_ON_RECORD) if prompt in self.missing else answer
            for prompt, answer in zip(prompts, answers, strict=True)
        ]


@dataclass(frozen=True)
class _World:
    """A world whose episode ends where the record does."""

    world: World

    @property
    def id(self) -> str:
        return self.world.id

    def open(self) -> "_Environment":
        return _Environment(self.world.open())

    def message(self, step: Step, feedback: str) -> str:
        return self.world.message(step, feedback)


@dataclass(frozen=True)
class _Environment:
    environment: Environment

    def reset(self) -> list[Message]:
        return self.environment.reset()

    def step(self, answer: str) -> Step:
        if answer == NOT_ON_RECORD:
            return Step(Action("invalid", ""), "", ended="not on record")
        return self.environment.step(answer)

    def close(self) -> None:
        self.environment.close()


def recorded(model: CachedModel) -> Rehearsal:
    """`model` with the answers on record and no others."""
    return _Recorded(model)


def rehearse(model: CachedModel, worlds: Sequence[World], asking: Asking, teacher: Teacher | None = None) -> Outlook:
    """What `play` with these arguments would ask `model`. Cells that are not on record run; nothing is asked.

    `teacher`: with a model from `recorded`, if it has one."""
    rehearsal = recorded(model)
    play(rehearsal, [_World(world) for world in worlds], asking, teacher=teacher, quiet=True)
    outlook = rehearsal.outlook()
    if rehearsal.missing:
        return replace(outlook, explanation=f"{outlook.explanation} first, then what follows from the answers")
    return outlook
