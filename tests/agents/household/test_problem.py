"""The PDDL of games: reading it, names, and whether a goal is reached."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.agents.household.problem import Facts, holds, parse, read_problem

TWO_IN_ONE = """
(and (exists (?r - receptacle) (exists (?o1 - object)
    (and (objectType ?o1 PenType) (receptacleType ?r ShelfType) (inReceptacle ?o1 ?r) (exists (?o2 - object)
        (and (not (= ?o1 ?o2)) (objectType ?o2 PenType) (inReceptacle ?o2 ?r)))))))
"""


@given(
    st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"))),
    st.sets(st.sampled_from("abcd")),
    st.sets(st.sampled_from("xyz")),
)
def test_two_things_in_one_receptacle(inside: set[tuple[str, str]], pens: set[str], shelves: set[str]) -> None:
    facts: Facts = {
        "inreceptacle": {("inreceptacle", *pair) for pair in inside},
        "objecttype": {("objecttype", pen, "pentype") for pen in pens},
        "receptacletype": {("receptacletype", shelf, "shelftype") for shelf in shelves},
    }
    expected = any((a, s) in inside and (b, s) in inside for s in shelves for a, b in permutations(pens, 2))
    assert holds(parse(TWO_IN_ONE), facts) == expected


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        ("(on a)", True),
        ("(on b)", False),
        ("(not (on b))", True),
        ("(or (on b) (on a))", True),
        ("(and (on a) (not (on a)))", False),
        ("(exists (?x) (and (not (off ?x)) (on ?x)))", True),
        ("(exists (?x) (and (on ?x) (off ?x)))", False),
    ],
)
def test_conditions(goal: str, reached: bool) -> None:
    assert holds(parse(goal), {"on": {("on", "a")}, "off": {("off", "b")}}) == reached


def test_a_condition_that_no_game_has_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a condition that ALFWorld's goals use"):
        holds(parse("(forall (?x) (on ?x))"), {})


def test_things_are_numbered_down_in_the_order_of_their_ids() -> None:
    ids = ["Shelf_bar_1", "Shelf_bar_2", "Shelf_bar_minus_1", "Sink_bar_1_bar_SinkBasin", "agent1"]
    problem = read_problem(f"(define (:init {' '.join(f'(isthere {each})' for each in ids)}) (:goal (and)))")
    assert list(problem.names.values()) == ["agent1", "shelf 3", "shelf 2", "shelf 1", "sinkbasin 1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a", "do not match"),
        ("a)", "do not match"),
        ("(" * 200 + ")" * 200, "nested too deep"),
        ("()", "no .:init"),
        ("(define (:init (on a)))", "no .:init .... or no .:goal"),
    ],
)
def test_a_damaged_problem_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_problem(text)
