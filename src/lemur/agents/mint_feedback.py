"""MINT with a second model as teacher, which comments on every turn (paper, Table 6)."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from lemur.agents.acting import act, open_model, write
from lemur.agents.dialogue.teacher import DialogueTeacher
from lemur.agents.mint import Params as MintParams
from lemur.agents.mint import Setting, read_tasks, why_skipped
from lemur.agents.results import RULES
from lemur.core.params import StageParams
from lemur.core.records import read_json
from lemur.evaluation.harness.result import write_skipped
from lemur.inference import backends
from lemur.inference.interface import Model
from lemur.sources.fetched import load

Scores = dict[str, Mapping[str, object]]


class TeacherParams(StageParams):
    backend: backends.Backend = Field(description="what computes the teacher's comments (docs/evaluation.md)")
    max_new_tokens: int = Field(description="maximum tokens of a comment", gt=0)
    context: int | None = Field(description="maximum tokens of its prompt plus comment; null: what it allows", gt=1)


class Params(MintParams):
    teacher: TeacherParams


def mint_feedback(
    params: Params, model: Path, teacher: Path, benchmark: Path, without: Path, *, result: Path, samples: Path
) -> None:
    """As stage `mint`, but `teacher` comments on each turn that does not end its episode. `without`: the result of
    stage `mint`; `delta` is the success with the teacher minus the success there."""
    source = load(benchmark)
    tasks = read_tasks(source)
    if reason := why_skipped(source, tasks):
        return write_skipped("mint_feedback", reason, params, result, samples)
    player, commenting = open_model(params, model, "mint_feedback"), open_teacher(params, teacher)
    setting = Setting(params, source, with_feedback=True)
    dialogue_teacher = DialogueTeacher(
        commenting,
        setting.texts.feedback_template,
        example=lambda episode: setting.texts.example(episode.partition("/")[0], True),
        tools=lambda episode: setting.tools(episode.partition("/")[0])[0],
        tokens=params.teacher.max_new_tokens,
        in_chat=commenting.chat,
    )
    finished = act(params, player, setting.assignments(tasks), teacher=dialogue_teacher)
    before = read_json(without)["results"]
    write(
        "mint_feedback",
        params,
        player,
        finished,
        original=len(tasks),
        config={**setting.config(), "teacher": {"folder": teacher.name, **commenting.identity()}},
        result=result,
        samples=samples,
        more=lambda scores: with_deltas(scores, before),
    )


def open_teacher(params: Params, folder: Path) -> Model:
    teacher = params.teacher
    return backends.open_model(
        folder,
        teacher.backend,
        task="teacher",
        tile=params.tile,
        bos=params.bos,
        context=teacher.context,
    )


def with_deltas(scores: Scores, before: Scores) -> Scores:
    """`scores` with the difference from `before` of each part; both are over the same tasks."""
    result: Scores = {}
    for part, values in scores.items():
        without = before.get(part.replace("mint_feedback", "mint"), {})
        deltas = {}
        for rule in RULES:
            now, then = values.get(f"success,{rule}"), without.get(f"success,{rule}")
            deltas[f"delta,{rule}"] = now - then if isinstance(now, float) and isinstance(then, float) else None
        result[part] = {**values, **deltas}
    return result
