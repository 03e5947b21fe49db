"""What needs no model: the references' results, and a message whose functions all return the same value."""

from collections.abc import Mapping, Sequence

from lemur.agents.episodes.results import RULES
from lemur.agents.robot_code.program import Pair, compare
from lemur.benchmark_items.robocodegen import Problem, Value

EMPTY = "np.empty((0, 1, 1))"
"""Equal to any numbers by numpy's allclose, because no number differs."""
CONSTANTS: Mapping[str, Value] = {
    **{str(value): {"type": "bool", "value": value} for value in (True, False)},
    **{str(value): {"type": "int", "value": value} for value in range(10)},
    EMPTY: {"type": "ndarray", "value": [], "shape": [0, 1, 1]},
    "Polygon()": {"type": "Polygon", "value": []},
}


def shares(problems: Sequence[Problem], memory_mb: int) -> tuple[Mapping[str, float], dict[str, Mapping[str, float]]]:
    """Shares of solved problems by rule: of the references' results, and of each constant, which is one of `CONSTANTS`
    or a text that some reference returns. Raises `EnvironmentFault`."""
    expected = [test.expected for problem in problems for test in problem.tests]
    texts = sorted({value["value"] for value in expected if value["type"] == "str"})
    constants = {**CONSTANTS, **{repr(text): {"type": "str", "value": text} for text in texts}}
    pairs: list[Pair] = []
    for constant in (None, *constants.values()):
        for problem in problems:
            pairs += [(problem.equality, test.expected, constant or test.expected) for test in problem.tests]
    verdicts = iter(compare(pairs, memory_mb))
    references, *by_constant = [_share(problems, [next(verdicts) for _ in expected]) for _ in (None, *constants)]
    return references, dict(zip(constants, by_constant, strict=True))


def _share(problems: Sequence[Problem], verdicts: Sequence[Mapping[str, bool]]) -> dict[str, float]:
    """`verdicts`: on each test of each problem, in order."""
    solved = dict.fromkeys(RULES, 0)
    start = 0
    for problem in problems:
        end = start + len(problem.tests)
        for rule in RULES:
            solved[rule] += all(verdict[rule] for verdict in verdicts[start:end])
        start = end
    return {rule: count / len(problems) for rule, count in solved.items()}
