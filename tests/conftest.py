"""Equal bits are promised for one thread of XLA's (design.md), whose count is read before the first program."""

import os

import hypothesis
import pytest

os.environ.setdefault("NPROC", "1")
# An example may take as long as it takes: on a busy machine 200 ms are soon over.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def no_encoding_warnings_of_tools() -> None:
    """Python reads this at its start, so it holds in this process. Tools that tests start would print the warnings of
    their libraries."""
    os.environ.pop("PYTHONWARNDEFAULTENCODING", None)
