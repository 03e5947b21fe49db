"""Programs and verdicts: references, planted wrong functions, faults of the original's comparisons, forged verdicts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lemur.agents.robot_code import baseline, program
from lemur.agents.robot_code.environment import judge
from tests.agents.robot_code.solutions import FAULTS, WRONG, name_of, solutions
from tests.agents.robot_code.tools import LIMITS, problems_of, verdict

pytestmark = pytest.mark.skipif(program.why_missing() is not None, reason=str(program.why_missing()))
RIGHT = {"paper": True, "strict": True}
NEITHER = {"paper": False, "strict": False}
HEAVIEST = "def get_heaviest_idx(weights_np):\n"


def test_references_of_the_sample(source: Callable[..., Path]) -> None:
    problems, setting = problems_of(source("robocodegen"))
    assert len(problems) == 8
    for problem in problems.values():
        assert judge(problem, setting, problem.reference, LIMITS).solved == RIGHT, problem.id
    assert baseline.shares(list(problems.values()), 1024)[0] == {"paper": 1.0, "strict": 1.0}


def test_37_results_of_the_references_and_37_own_solutions(source: Callable[..., Path]) -> None:
    problems, setting = problems_of(source("robocodegen", "mirror"))
    codes = solutions()
    assert sorted(codes) == sorted(problems) and len(problems) == 37
    reached, by_constant = baseline.shares(list(problems.values()), 1024)
    assert reached == {"paper": 1.0, "strict": 1.0}
    with ThreadPoolExecutor(2) as pool:
        outputs = pool.map(lambda name: judge(problems[name], setting, codes[name], LIMITS), problems)
    assert {name for name, output in zip(problems, outputs, strict=True) if output.solved != RIGHT} == set()
    # paper: numpy finds no number in an empty array that differs.
    assert by_constant[baseline.EMPTY] == {"paper": pytest.approx(27 / 37), "strict": 0.0}
    assert max(value["strict"] for value in by_constant.values()) == pytest.approx(3 / 37)


def test_planted_wrong_functions(source: Callable[..., Path]) -> None:
    problems, setting = problems_of(source("robocodegen", "mirror"))
    for wrong, code in WRONG.items():
        problem = problems[name_of(code)]
        assert judge(problem, setting, code, LIMITS).solved == NEITHER, wrong
    assert {problems[name_of(code)].group for code in WRONG.values()} == {"numpy", "control", "shapely", "api"}


def test_faults_that_paper_keeps_and_strict_mends(source: Callable[..., Path]) -> None:
    problems, setting = problems_of(source("robocodegen", "mirror"))
    for fault, code in FAULTS.items():
        solved = judge(problems[name_of(code)], setting, code, LIMITS).solved
        assert solved == {"paper": True, "strict": False}, fault


def test_a_shrunken_square_of_the_sample_passes_by_paper_alone(source: Callable[..., Path]) -> None:
    code = "def make_square(center, side):\n    return Point(center).buffer(side / 6)"
    assert verdict(source("robocodegen"), "make_square", code).solved == {"paper": True, "strict": False}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import numpy\n" + HEAVIEST + "    return numpy.argmax(weights_np)", "must not contain 'import'"),
        (HEAVIEST + "    return weights_np.__array__().argmax()", "must not contain '__'"),
        (HEAVIEST + "    return best(weights_np)\ndef best(weights):\n    return weights.argmax()", "'best' is not"),
        (HEAVIEST + "    return eval('weights_np.argmax()') + 0", "NoneType"),
    ],
)
def test_paper_refuses_what_strict_runs(code: str, error: str, source: Callable[..., Path]) -> None:
    """paper: `exec_safe` bans two texts, gives functions a namespace in which they do not see one another, and takes
    `eval` away. strict: none of these."""
    output = verdict(source("robocodegen"), "get_heaviest_idx", code)
    assert error in output.text and output.solved == {"strict": True}


def test_errors_name_the_line_of_the_answer_and_no_other_file(source: Callable[..., Path]) -> None:
    code = HEAVIEST + "    return np.argmax(weights_np, axis=5)"
    text = verdict(source("robocodegen"), "get_heaviest_idx", code).text
    assert text.startswith(
        '  File "answer.py", line 2, in get_heaviest_idx\n    return np.argmax(weights_np, axis=5)\n'
    )
    assert text.count("File") == 1 and "axis 5 is out of bounds" in text
    assert "SyntaxError" in verdict(source("robocodegen"), "get_heaviest_idx", "def get_heaviest_idx(:").text
    assert "does not define get_heaviest_idx" in verdict(source("robocodegen"), "get_heaviest_idx", "x = 1").text


FORGERIES = {
    "prints a verdict": HEAVIEST + "    print('{\"values\": []}', True)\n    return -1",
    "leaves early": "import os\nos._exit(0)",
    "leaves in the function": HEAVIEST + "    import os\n    os._exit(0)",
    "writes to every pipe": "import os\nfor fd in range(1, 64):\n    try:\n"
    "        os.write(fd, b'ready\\n{\"values\": 1}')\n    except OSError:\n        pass\n" + HEAVIEST + "    return 0",
    "replaces allclose": "np.allclose = lambda *args, **kwargs: True\n" + HEAVIEST + "    return -1",
    "replaces json": "import json\njson.dumps = lambda value: '{\"values\": [true, true, true]}'\n"
    + HEAVIEST
    + "    return -1",
    "equals everything": "class Any(int):\n    def __eq__(self, other):\n        return True\n"
    + HEAVIEST
    + "    return Any(7)",
    "looks for the expected values": "import sys\n"
    + HEAVIEST
    + "    frame = sys._getframe()\n    while frame:\n        if 'expected' in frame.f_locals.get('job', ()):\n"
    "            return weights_np.argmax()\n        frame = frame.f_back\n    return -1",
    "knows the nonce": "import sys, os\n"
    + HEAVIEST
    + "    frame = sys._getframe(2)\n    while 'nonce' not in frame.f_locals:\n        frame = frame.f_back\n"
    "    os.write(frame.f_locals['channel'], (frame.f_locals['nonce'] + ' {\"values\": [1, 2, {}]}').encode())\n"
    "    os._exit(0)",
    "forks": HEAVIEST + "    import os\n    if os.fork() == 0:\n        return weights_np.argmax()\n    return -1",
    "half a character": HEAVIEST + "    raise ValueError(chr(0xd800))",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_no_forged_verdict(forgery: str, source: Callable[..., Path]) -> None:
    output = verdict(source("robocodegen"), "get_heaviest_idx", FORGERIES[forgery])
    assert not any(output.solved.values())
    output.text.encode()


def test_an_endless_answer_times_out(source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lemur.sandbox.second_run.RETRY_FACTOR", 1)
    problems, setting = problems_of(source("robocodegen"))
    problem = problems["get_heaviest_idx"]
    code = HEAVIEST + "    while True:\n        pass"
    run = program.call(problem, setting, code, separate=False, seconds=1, memory_mb=1024)
    assert (run.status, run.error) == ("timed_out", program.LATE)
