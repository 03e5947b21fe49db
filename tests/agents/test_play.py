"""Episodes moved forward together: equal however they are grouped, resumed or repeated; faults are not the model's."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.agents.episodes.episode import Episode, from_record
from lemur.agents.episodes.play import ATTEMPTS, play
from lemur.inference.answers.cache import CachedModel
from lemur.inference.interface import Generation
from tests.agents.worlds import ASKING, CommentingTeacher, Counting, counts_up
from tests.evaluation.conftest import Oracle


def worlds(count: int) -> list[Counting]:
    """Some are solved after one to five turns, every seventh never."""
    return [Counting(f"world/{number}", goal=9 if number % 7 == 0 else 1 + number % 5) for number in range(count)]


def test_an_episode_ends_when_it_is_solved_or_out_of_turns() -> None:
    solved, unsolved = play(Oracle(counts_up), [Counting("a", goal=3), Counting("b", goal=9)], ASKING)
    assert [turn.answer for turn in solved.turns] == ["1", "2", "3"]
    assert (solved.ended, solved.solved("paper")) == ("solved", True)
    assert (unsolved.ended, len(unsolved.turns), unsolved.solved("paper")) == ("turns", 5, False)
    assert [turn.step.left["turns"] for turn in unsolved.turns] == [4, 3, 2, 1, 0]
    assert unsolved.turns[-1].message == ""
    assert unsolved.turns[0].tokens == {"prompt": len(unsolved.messages[0]["content"].split()) + 1, "answer": 1}


def test_all_unfinished_episodes_are_asked_at_once() -> None:
    batches: list[int] = []

    class Counted(Oracle):
        def generate(self, prompts: Sequence[str], **settings: object) -> list[Generation]:
            batches.append(len(prompts))
            return super().generate(prompts, **settings)  # type: ignore[arg-type]

    play(Counted(counts_up), [Counting(str(goal), goal=goal) for goal in (1, 2, 2, 3)], ASKING)
    assert batches == [4, 3, 1]


@given(st.integers(1, 40), st.integers(1, 4), st.randoms(use_true_random=False))
def test_same_episodes_in_any_order_with_any_number_at_once(at_once: int, workers: int, random: random.Random) -> None:
    expected = {episode.id: episode for episode in play(Oracle(counts_up), worlds(30), ASKING)}
    shuffled = worlds(30)
    random.shuffle(shuffled)
    episodes = play(Oracle(counts_up), shuffled, ASKING, at_once=at_once, workers=workers)
    assert [episode.id for episode in episodes] == [world.id for world in shuffled]
    assert {episode.id: episode for episode in episodes} == expected


def test_a_record_is_the_same_episode_again() -> None:
    for episode in play(Oracle(counts_up), worlds(10), ASKING, teacher=CommentingTeacher()):
        assert from_record(episode.record()).record() == episode.record()


def test_every_environment_is_closed_even_after_an_error() -> None:
    some = worlds(10)

    def breaks(prompt: str) -> str:
        if prompt.count("assistant:") == 2:
            raise RuntimeError("no power")
        return "0"

    with pytest.raises(RuntimeError, match="no power"):
        play(Oracle(breaks), some, ASKING, at_once=4, workers=3)
    assert sum(world.opened for world in some) == sum(world.closed for world in some) == 4


@pytest.mark.parametrize("fails_at", [0, 1, 3])
def test_a_fault_of_the_environment_is_tried_again_from_the_start(fails_at: int) -> None:
    (undisturbed,) = play(Oracle(counts_up), [Counting("a", goal=4)], ASKING)
    world = Counting("a", goal=4, fails=ATTEMPTS - 1, fails_at=fails_at)
    (episode,) = play(Oracle(counts_up), [world], ASKING)
    assert episode == undisturbed
    assert world.opened == world.closed == ATTEMPTS


@pytest.mark.parametrize("fails_at", [0, 1, 3])
def test_an_environment_that_keeps_failing_ends_its_episode_and_no_other(fails_at: int) -> None:
    broken, other = play(
        Oracle(counts_up), [Counting("a", goal=4, fails=99, fails_at=fails_at), Counting("b", goal=4)], ASKING
    )
    assert (broken.ended, broken.fault, len(broken.turns)) == ("fault", "the world fell down", max(fails_at - 1, 0))
    assert other.ended == "solved"


def test_an_environment_that_answers_otherwise_when_repeated_is_a_fault() -> None:
    class Fickle(Counting):
        def open(self):  # type: ignore[no-untyped-def]
            self.goal = 4 if self.opened else 3
            environment = super().open()
            if self.opened > 1:
                environment.turn = 1
                environment.reset = lambda: []
            return environment

    (episode,) = play(Oracle(counts_up), [Fickle("a", goal=3, fails=1, fails_at=3)], ASKING)
    assert episode.ended == "fault"
    assert "turn 1 gave 'turn 2' when repeated, 'turn 1' before" in str(episode.fault)


def test_a_prompt_without_room_for_an_answer_ends_the_episode() -> None:
    # Prompts of 3, 8 and 13 words, and 4 for the answer.
    (episode,) = play(Oracle(counts_up, context_length=16), [Counting("a", goal=9)], ASKING)
    assert (episode.ended, len(episode.turns)) == ("context", 2)
    assert not episode.solved("paper")


def test_the_teacher_comments_on_every_turn_that_goes_on() -> None:
    teacher = CommentingTeacher()
    first, second = play(Oracle(counts_up), [Counting("a", goal=2), Counting("b", goal=3)], ASKING, teacher=teacher)
    assert teacher.seen == [["a: 1, turn 1", "b: 1, turn 1"], ["b: 2, turn 2"]]
    assert [turn.feedback for turn in second.turns] == ["1 so far", "2 so far", ""]
    assert second.turns[0].message == "turn 1 (1 so far)"
    assert [turn.tokens["feedback"] for turn in first.turns] == [3, 0]


def test_an_interrupted_run_asks_nothing_again(tmp_path: Path) -> None:
    expected = play(Oracle(counts_up), worlds(20), ASKING)
    asked: list[str] = []

    def stops(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) % 15 == 0:
            raise KeyboardInterrupt
        return counts_up(prompt)

    episodes: list[Episode] = []
    for _ in range(30):
        try:
            episodes = play(CachedModel(Oracle(stops), tmp_path / "answers.jsonl", portion=1), worlds(20), ASKING)
            break
        except KeyboardInterrupt:
            pass
    assert episodes == expected
    interruptions = len(asked) // 15
    assert interruptions > 2
    assert len(asked) == len(set(asked)) + interruptions  # what was being asked when it stopped
