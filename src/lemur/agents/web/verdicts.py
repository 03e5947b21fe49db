"""Played episodes with their verdicts: what the judge has to say is asked for all of them together."""

import json
from collections.abc import Sequence
from dataclasses import replace

from lemur.agents.episodes.episode import Episode
from lemur.agents.episodes.results import Finished
from lemur.agents.web import grading
from lemur.agents.web.judge import Judge, Question
from lemur.benchmark_items.webarena import Task


def graded(tasks: Sequence[Task], episodes: Sequence[Episode], judge: Judge, turns: int) -> list[Finished]:
    """The episodes, those that are right by the paper's rule as `solved`. An episode without an end, because its prompt
    filled the context or its environment failed, has no verdict and counts as it stands."""
    answers = [_answer(episode) for episode in episodes]
    questions = [
        question
        for task, answer in zip(tasks, answers, strict=True)
        if answer is not None
        for question in grading.questions(task, answer[0])
    ]
    judged = judge.ask(questions) if questions else {}
    return [
        Finished(
            "+".join(task.evaluation.kinds),
            task.sites[0] if len(task.sites) == 1 else "several_sites",
            task.evaluation.reference,
            turns,
            _with_verdict(task, episode, answer, judged) if answer is not None else episode,
        )
        for task, episode, answer in zip(tasks, episodes, answers, strict=True)
    ]


def _answer(episode: Episode) -> tuple[str, grading.Found] | None:
    """The answer and what was found at the end."""
    if episode.fault is not None or not episode.turns or episode.turns[-1].step.ended is None:
        return None
    record = json.loads(episode.turns[-1].step.observation)
    return record["answer"], grading.from_record(record)


def _with_verdict(
    task: Task, episode: Episode, answer: tuple[str, grading.Found], judged: dict[Question, grading.Verdict]
) -> Episode:
    solved = grading.verdict(task, *answer, judged)
    last = episode.turns[-1]
    ended = "solved" if solved["paper"] else episode.ended
    turn = replace(last, step=replace(last.step, solved=dict(solved), ended=ended))
    return replace(episode, turns=(*episode.turns[:-1], turn), ended=ended)
