"""The bundled games, and MINT's where there are original files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lemur.agents.household.textworld_game import why_missing
from lemur.core.files import ROOT

BUNDLED = ROOT / "data/sources/alfworld/bundled/valid_unseen"


@pytest.fixture
def house() -> Callable[[str], Path]:
    """The folder of the bundled game whose name contains a word."""

    def find(word: str) -> Path:
        (folder,) = BUNDLED.glob(f"*{word}*/*")
        return folder

    return find


@pytest.fixture
def games() -> list[Path]:
    """MINT's 134 games."""
    folder = os.environ.get("LEMUR_MIRROR")
    if not folder:
        pytest.skip("LEMUR_MIRROR is not set, so there are no original games")
    return sorted(Path(folder, "mint/processed/alfworld/json_2.1.1/valid_unseen").glob("*/*/game.tw-pddl"))


@pytest.fixture
def engine() -> None:
    """The real engine."""
    if reason := why_missing():
        pytest.skip(reason)
