"""MINT with a second model as teacher, which comments on every turn (paper, Table 6)."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from lemur.agents.acting import act, open_model, outlook, say, write_played
from lemur.agents.dialogue.teacher import DialogueTeacher
from lemur.agents.episodes.play import Teacher
from lemur.agents.episodes.recorded_answers import RecordedTeacher
from lemur.agents.episodes.rehearsal import recorded
from lemur.agents.episodes.results import RULES, results
from lemur.agents.mint import Params as MintParams
from lemur.agents.mint import Setting, read_tasks, why_skipped
from lemur.core.params import StageParams
from lemur.core.records import Record, read_json
from lemur.evaluation.harness.result import write_skipped
from lemur.inference import backends
from lemur.inference.answers.cache import CachedModel, Outlook
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
    player = open_model(params, model, "mint_feedback", params.prompt)
    setting = Setting(params, source, with_feedback=True)
    commenting, identity = open_teacher(params, teacher, model, setting)
    assignments = setting.assignments(tasks)
    say("mint_feedback", model, outlook(params, player, assignments, rehearsing(commenting)))
    finished = act(params, player, assignments, teacher=commenting)
    before = read_json(without)["results"]
    write_played(
        "mint_feedback",
        params,
        player,
        finished,
        with_deltas(results("mint_feedback", finished), before),
        original=len(tasks),
        config={**setting.config(), "teacher": identity},
        result=result,
        samples=samples,
    )


def rehearse(params: Params, model: Path, teacher: Path, benchmark: Path) -> Outlook:
    """What the stage would ask if it ran now (`lemur answers`)."""
    source = load(benchmark)
    tasks = read_tasks(source)
    if reason := why_skipped(source, tasks):
        return Outlook("skipped", reason)
    setting = Setting(params, source, with_feedback=True)
    commenting = rehearsing(open_teacher(params, teacher, model, setting)[0])
    player = open_model(params, model, "mint_feedback", params.prompt)
    return outlook(params, player, setting.assignments(tasks), commenting)


def rehearsing(teacher: Teacher) -> Teacher:
    """The teacher with the comments on record and no others."""
    if isinstance(teacher, DialogueTeacher) and isinstance(teacher.model, CachedModel):
        return replace(teacher, model=recorded(teacher.model))
    return teacher


def open_teacher(params: Params, folder: Path, acting: Path, setting: Setting) -> tuple[Teacher, Record]:
    """The teacher and what identifies it. With back end `replay`, it comments as in the episodes of the model in
    `acting`."""
    if params.teacher.backend == "replay":
        path = backends.recorded_samples(acting, "mint_feedback")
        return RecordedTeacher(path), {"backend": "replay", "model_hash": hashlib.sha256(path.read_bytes()).hexdigest()}
    model = backends.open_model(
        folder,
        params.teacher.backend,
        task="teacher",
        tile=params.tile,
        bos=params.bos,
        context=params.teacher.context,
        server="LEMUR_TEACHER",
    )
    teacher = DialogueTeacher(
        model,
        setting.texts.feedback_template,
        example=lambda episode: setting.texts.example(episode.partition("/")[0], True),
        tools=lambda episode: setting.tools(episode.partition("/")[0])[0],
        tokens=params.teacher.max_new_tokens,
        in_chat=model.chat,
    )
    return teacher, {"name": folder.name, **model.identity()}


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
