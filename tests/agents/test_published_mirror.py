"""MINT's published trajectories of four models: the paper's Tables 4, 6 and 7, and what `strict` changes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from lemur.agents.published.folders import Setting
from lemur.agents.published.rescore import Scored, changes, disagreements, rescore
from lemur.agents.published.tables import by_turns, cells, delta, rate, reasons_by_task
from lemur.agents.published.trajectories import read
from lemur.agents.scoring import reasons
from lemur.benchmark_items.mint import COUNTS, GROUPS
from lemur.core.records import Record
from tests.agents.recorded import MODELS, mirror, published, with_programs

LEMUR, LLAMA, CODELLAMA, GPT = MODELS
TEACHER = "gpt-4-0613"
SOLVED = {
    LEMUR: [28, 6, 4, 19, 43, 21, 16, 80],
    LLAMA: [16, 3, 1, 12, 32, 4, 8, 29],
    CODELLAMA: [12, 4, 1, 7, 23, 1, 2, 50],
    GPT: [21, 26, 14, 12, 43, 17, 23, 56],
}
"""Without feedback, at 5 turns and 2 proposals, in the order of `COUNTS`: Tables 4 and 7."""
TAUGHT = {LEMUR: (103, 61), LLAMA: (73, 27), CODELLAMA: (64, 5), GPT: (159, 53)}
"""With GPT-4's feedback: reasoning (316) and code (136), Table 6."""


def at(model: str, feedback: str = "none", turns: int = 5) -> Sequence[Scored]:
    form = "" if feedback == "none" else "no_GT-textual"
    return published(model)[Setting(model, feedback, form, turns, min(turns, 2))]


@pytest.mark.parametrize("model", MODELS)
def test_recorded_successes_are_the_papers_cells(model: str) -> None:
    table = cells([*at(model), *_unscored(model)])
    assert [table[task]["recorded"] for task in COUNTS] == SOLVED[model]
    assert [table[task]["items"] for task in COUNTS] == list(COUNTS.values())
    assert {name: table[name]["items"] for name in ("reasoning", "code", "decision", "micro", "all")} == {
        "reasoning": 316,
        "code": 136,
        "decision": 134,
        "micro": 452,
        "all": 586,
    }


def _unscored(model: str, feedback: str = "none", turns: int = 5) -> Sequence[Scored]:
    """The trajectories with programs, which are not run."""
    return [Scored(one, {"paper": None, "strict": None}) for one in with_programs(model, feedback, turns)]


@pytest.mark.parametrize("model", MODELS)
def test_paper_gives_every_recorded_verdict_of_reasoning_and_games(model: str) -> None:
    runs = published(model)
    assert sum(len(run) for run in runs.values()) == (6 if model == LEMUR else 2) * 450
    assert [row for run in runs.values() for row in disagreements(run)] == []
    assert all(one.solved["paper"] is one.was for run in runs.values() for one in run)


@pytest.mark.parametrize("model", MODELS)
def test_feedback(model: str) -> None:
    reasoning, code = TAUGHT[model]
    table = cells([*at(model, TEACHER), *_unscored(model, TEACHER)])
    assert (table["reasoning"]["paper"], table["code"]["recorded"]) == (reasoning, code)


def test_the_papers_slip_is_not_repeated() -> None:
    """Table 6 prints 35.76 for Lemur's reasoning with feedback, which is 113 of 316; MINT's logs have 103."""
    table = cells([*at(LEMUR, TEACHER), *_unscored(LEMUR, TEACHER)])
    assert f"{rate(table['reasoning'], 'paper'):.2f}" == "32.59"
    assert f"{rate(table['code'], 'recorded'):.2f}" == "44.85"


def test_success_by_turns_and_the_improvement_rate() -> None:
    tables: dict[Setting, Mapping[str, Record]] = {
        setting: cells([*run, *_unscored(LEMUR, turns=setting.turns)])
        for setting, run in published(LEMUR).items()
        if setting.feedback == "none"
    }
    everything = by_turns(LEMUR, tables)["all"]["recorded"]
    assert [f"{value:.2f}" for value in everything["turns"]] == ["3.75", "26.96", "35.67", "37.54", "37.03"]
    assert f"{everything['improvement']:.2f}" == "7.71"


def test_delta_of_feedback() -> None:
    tables = {setting: cells(run) for setting, run in published(GPT).items()}
    found = delta(GPT, tables)["reasoning"]["paper"]
    assert (found["without"], found["with"]) == (100 * 116 / 316, 100 * 159 / 316)


def test_what_strict_changes_of_lemurs_reasoning_and_why() -> None:
    assert reasons_by_task(changes(at(LEMUR))) == {
        "alfworld": {"game ended at its limit of 50 steps, not won": 1},
        "gsm8k": {reasons.CONTAINED: 1},
        "hotpotqa": {reasons.CONTAINED: 10},
        "math": {reasons.NEGATIVE: 3, reasons.NOTATION: 12},
        "mmlu": {reasons.OTHER_LETTER: 3, reasons.NO_OPTION: 8},
        "theoremqa": {reasons.OPTION: 1, reasons.NOTATION: 2},
    }
    strict = {task: cells(at(LEMUR))[task]["strict"] for task in GROUPS["reasoning"]}
    assert strict == {"gsm8k": 27, "math": 21, "theoremqa": 7, "hotpotqa": 9, "mmlu": 32}


@pytest.mark.parametrize(("model", "lost"), [(LEMUR, 1), (LLAMA, 4), (CODELLAMA, 2), (GPT, 2)])
def test_games_recorded_as_solved_that_cannot_have_been_won(model: str, lost: int) -> None:
    games = [one for one in at(model) if one.recorded.task == "alfworld"]
    assert Counter(one.solved["strict"] for one in games if one.was) == {None: SOLVED[model][-1] - lost, False: lost}


def test_actions_and_limits_are_those_that_mint_counted() -> None:
    """On all trajectories of Lemur. MINT counts an unreadable proposal as a proposal, and a message without tags as
    invalid."""
    paths = sorted(mirror().glob("outputs_lemur-70b-chat-v1/F=None/max5_p2*/*/*/results.jsonl"))
    assert len(paths) == 8
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line, one in zip(lines, read(path, path.parent.name), strict=True):
            counts = json.loads(line)["state"]["agent_action_count"]
            turns = one.episode.turns
            proposed = ["<solution>" in turn.answer for turn in turns]
            kinds = Counter(turn.step.action.kind for turn, is_one in zip(turns, proposed, strict=True) if not is_one)
            assert counts == {
                "propose_solution": sum(proposed),
                "use_tool": kinds["tool"],
                "invalid_action": kinds["invalid"],
            }
            left = turns[-1].step.left if turns else {}
            if left:
                assert left == {"turns": 5 - len(turns), "proposals": 2 - sum(proposed)}


def test_paper_gives_the_recorded_verdicts_of_lemurs_programs() -> None:
    scored = rescore(with_programs(LEMUR, "none", 5))
    assert disagreements(scored) == [] and changes(scored) == []
    assert cells(scored)["code"]["paper"] == 37


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_paper_gives_the_recorded_verdicts_of_all_programs(model: str) -> None:
    scored = rescore(with_programs(model))
    assert len(scored) == (6 if model == LEMUR else 2) * 136
    assert disagreements(scored) == [] and changes(scored) == []
