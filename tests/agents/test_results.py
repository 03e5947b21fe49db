"""From finished episodes to scores: shares over episodes, faults apart, success by turns."""

import pytest

from lemur.agents.episodes.environment import Action, Step
from lemur.agents.episodes.episode import Episode, Turn
from lemur.agents.episodes.results import Finished, counts, results, slope


def finished(
    task: str, group: str, *, paper: bool, strict: bool = False, turns: int = 5, fault: bool = False
) -> Finished:
    step = Step(Action("solution", "x"), "", {"paper": paper, "strict": strict}, "solved" if paper else "turns")
    episode = Episode(f"{task}/0", []).add(Turn("x", "stop", step))
    if fault:
        episode = Episode(f"{task}/0", []).end("fault", "no sandbox")
    return Finished(task, group, "x", turns, episode)


EPISODES = [
    finished("gsm8k", "reasoning", paper=True, strict=True),
    finished("gsm8k", "reasoning", paper=True),
    finished("math", "reasoning", paper=False),
    finished("math", "reasoning", paper=False),
    finished("mbpp", "code", paper=True, strict=True),
    finished("mbpp", "code", paper=False, fault=True),
]


def test_success_is_a_share_of_the_episodes_whose_environment_worked() -> None:
    scores = results("mint", EPISODES)
    assert {
        part: (values["success,paper"], values["success,strict"], values["episodes"]) for part, values in scores.items()
    } == {
        "mint": (0.6, 0.4, 5.0),
        "mint_reasoning": (0.5, 0.25, 4.0),
        "mint_code": (1.0, 1.0, 1.0),
        "mint_gsm8k": (1.0, 0.5, 2.0),
        "mint_math": (0.0, 0.0, 2.0),
        "mint_mbpp": (1.0, 1.0, 1.0),
    }
    assert scores["mint"]["success_stderr,paper"] == pytest.approx((0.6 * 0.4 / 4) ** 0.5)


def test_counts_add_up() -> None:
    count = counts(EPISODES)
    assert count["fault"] + sum(value for key, value in count.items() if key.startswith("ended_")) == len(EPISODES)
    assert (count["rules_disagree"], count["turns_solution"], count["fault"]) == (1, 5, 1)


def test_an_episode_judged_by_one_rule_is_no_disagreement() -> None:
    """InterCode's episodes without rewards have the strict verdict only."""
    step = Step(Action("solution", "submit"), "", {"strict": True}, "submitted")
    judged = Finished("sql", "", "x", 10, Episode("sql/0 without rewards", []).add(Turn("submit", "stop", step)))
    assert counts([judged])["rules_disagree"] == 0


def test_success_by_turns_and_its_slope() -> None:
    each = [finished("gsm8k", "reasoning", paper=turns > 1, turns=turns) for turns in (1, 2, 3)]
    scores = results("mint", each)
    assert [scores[f"mint_turns_{turns}"]["success,paper"] for turns in (1, 2, 3)] == [0, 1, 1]
    assert scores["mint"]["improvement_rate,paper"] == pytest.approx(0.5)
    assert scores["mint"]["success,paper"] == 1.0  # with the most turns


def test_slope_is_the_least_squares_line() -> None:
    assert slope({1: 3.75, 2: 26.96, 3: 35.67, 4: 37.54, 5: 37.03}) == pytest.approx(7.714, abs=1e-3)
    assert slope({1: 0.5}) is None
