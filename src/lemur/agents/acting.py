"""What the language agents share: parameters, prompts, and from finished episodes to the result file."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from lemur.agents.dialogue.messages import STOP, Limits, prompt
from lemur.agents.episodes.environment import World
from lemur.agents.episodes.episode import Episode
from lemur.agents.episodes.play import Asking, Teacher, play
from lemur.agents.episodes.recorded_answers import replay_model
from lemur.agents.episodes.rehearsal import rehearse
from lemur.agents.episodes.results import Finished, counts
from lemur.core import workers
from lemur.core.records import Record, write_jsonl
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.result import Report
from lemur.evaluation.harness.scores import metrics
from lemur.inference import backends
from lemur.inference.answers.cache import CachedModel, Outlook
from lemur.inference.interface import Model
from lemur.inference.text import TextCodec
from lemur.inference.token_model import context_length

log = logging.getLogger(__name__)


class ActParams(GenerateParams):
    """Parameters of every agent in MINT's dialogue."""

    limit: int | None = Field(description="tasks of each kind, a seeded choice; null for all", gt=0)
    turns: tuple[int, ...] = Field(
        description="messages of the model in an episode; several: success by turns, the most for the score",
        min_length=1,
        strict=False,
    )
    proposals: int = Field(description="how many of these messages may propose a solution", gt=0)
    cell_seconds: int = Field(description="processor seconds, or seconds asleep, of a cell of code", gt=0)
    cell_memory: int = Field(description="MiB that an episode's Python session may use", gt=0)
    observation_characters: int = Field(description="characters of a cell's output that the model reads", gt=0)

    @field_validator("turns")
    @classmethod
    def _ascending(cls, turns: tuple[int, ...]) -> tuple[int, ...]:
        if list(turns) != sorted(set(turns)) or turns[0] < 1:
            raise ValueError(f"turns are {list(turns)}; ascending numbers from 1 are allowed, such as [1, 2, 3, 4, 5]")
        return turns

    def prompt(self, model: Model, episode: Episode) -> str:
        return prompt(model, episode, self.in_chat(model))

    def asking(self) -> Asking:
        return Asking(self.prompt, self.max_new_tokens, self.stops(STOP))

    def suffix(self, turns: int) -> str:
        """What tells an episode with fewer turns than the most from the others of its task."""
        return "" if turns == max(self.turns) else f" in {turns} turn{'s' * (turns > 1)}"

    def limits(self, turns: int) -> Limits:
        """A single turn allows a single proposal, as in MINT's runs with one."""
        return Limits(turns, min(turns, self.proposals))


@dataclass(frozen=True)
class Assignment:
    """A world with what it is about: its `task`, the `group` of tasks, the answer to it, the turns allowed in it."""

    world: World
    task: str
    group: str
    reference: str
    turns: int


def open_model(params: GenerateParams, folder: Path, task: str, prompt: Callable[[Model, Episode], str]) -> Model:
    """The acting model. Back end `replay` answers as in the episodes in LEMUR_REPLAY/<folder>/<task>.jsonl, after the
    `prompt` of an episode so far."""
    if params.backend == "replay":
        codec = TextCodec(folder, bos=params.bos)
        path = backends.recorded_samples(folder, task)
        return replay_model(path, codec, context_length(codec, params.context), prompt)
    return backends.open_model(
        folder, params.backend, task=task, tile=params.tile, bos=params.bos, context=params.context
    )


def outlook(
    params: ActParams, model: Model, assignments: Sequence[Assignment], teacher: Teacher | None = None
) -> Outlook:
    """What `act` with these arguments will ask. Loads no weights and asks nothing."""
    if not isinstance(model, CachedModel):
        return Outlook("replay", "recorded episodes are scored again")
    return rehearse(model, [each.world for each in assignments], params.asking(), teacher)


def say(stage: str, folder: Path, outlook: Outlook) -> None:
    log.info("%s of %s: %s: %s", stage, folder.name, outlook.verdict, outlook.explanation)


def act(
    params: ActParams, model: Model, assignments: Sequence[Assignment], *, teacher: Teacher | None = None
) -> list[Finished]:
    """Play all assignments, in their order."""
    worlds, asking = [assignment.world for assignment in assignments], params.asking()
    episodes = play(model, worlds, asking, teacher=teacher, workers=workers.count() + 1)
    return [
        Finished(each.task, each.group, each.reference, each.turns, episode)
        for each, episode in zip(assignments, episodes, strict=True)
    ]


def write_played(
    name: str,
    params: ActParams,
    model: Model,
    finished: Sequence[Finished],
    scores: Mapping[str, Mapping[str, object]],
    *,
    original: int,
    config: Record,
    result: Path,
    samples: Path,
) -> None:
    """`write` for tasks that were each played with every number of turns."""
    write(
        name,
        params,
        model,
        finished,
        scores,
        original=original,
        effective=len(finished) // len(params.turns),
        config={**config, "stop": params.asking().stop},
        result=result,
        samples=samples,
    )


def write(
    name: str,
    params: GenerateParams,
    model: Model,
    finished: Sequence[Finished],
    scores: Mapping[str, Mapping[str, object]],
    *,
    shots: int = 1,
    original: int,
    effective: int,
    config: Record,
    result: Path,
    samples: Path,
) -> None:
    """Write the result and one episode a line. `original`, `effective`: tasks of the benchmark, and those played;
    `config`: what the result says of the environment."""
    report = Report(
        task=name,
        params=params,
        version=1,
        shots=shots,
        original=original,
        effective=effective,
        results=scores,
        counts=counts(finished),
        higher_is_better=dict.fromkeys(metrics(key for key in scores[name] if "," in key), True),
        config=config,
    )
    write_jsonl(samples, (each.record() for each in finished))
    report.write(result, model)
