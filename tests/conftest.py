"""Equal bits need a single XLA thread (docs/reproducibility.md); XLA reads the number before its first program."""

import os

import hypothesis
import pytest

os.environ.setdefault("NPROC", "1")
# No time limit for an example: a busy machine easily exceeds 200 ms.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=3000)  # `make fuzz`
hypothesis.settings.load_profile("no deadline")


def pytest_xdist_auto_num_workers() -> int:
    """For `pytest -n auto`: one process more than cores, since a fifth of the time tests wait for what they started."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.fixture(scope="session", autouse=True)
def no_encoding_warnings_of_tools() -> None:
    """Python reads this at its start, so it holds in this process. Tools that tests start would print the warnings of
    their libraries."""
    os.environ.pop("PYTHONWARNDEFAULTENCODING", None)
