"""Plans: calls with what the game says to each."""

import pytest

from lemur.agents.household.plan import Call, read_plan

TEXT = """Assistant:
<execute>
goto("shelf 1")
take("mug 1", "shelf 1")
</execute>

Observation:
On the shelf 1, you see a mug 1.
You pick up the mug 1 from the shelf 1.
Assistant:
<execute>
use("desklamp 1")
</execute>

Observation:
You turn on the desklamp 1.
"""


def test_a_plan() -> None:
    assert read_plan(TEXT) == [
        Call("goto", ("shelf 1",), "On the shelf 1, you see a mug 1."),
        Call("take_from", ("mug 1", "shelf 1"), "You pick up the mug 1 from the shelf 1."),
        Call("use", ("desklamp 1",), "You turn on the desklamp 1."),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('use("desklamp 1")', "use(lamp)", "arguments must be strings"),
        ('use("desklamp 1")', 'use(x="desklamp 1")', "arguments must be strings"),
        ('use("desklamp 1")', "import os", "is not a call"),
        ('use("desklamp 1")', 'os.system("x")', "is not a call"),
        ('use("desklamp 1")\n', 'use("desklamp 1")\nuse("desklamp 1")\n', "2 calls, but 1 observations"),
        ("<execute>", "<run>", "no <execute> block"),
    ],
)
def test_a_damaged_plan_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_plan(TEXT.replace(old, new))
