"""The sources of the agents from the bundled samples, or from the mirror."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lemur.evaluation.harness import result
from lemur.sources.fetch import Params, fetch
from tests.evaluation.conftest import BUNDLED


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps a test's notes, answers and outputs on record out of the checkout."""
    monkeypatch.setattr(result, "NOTES", tmp_path / "notes")
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / "answers"))
    return tmp_path / "notes"


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`source(name, place)`: the folder of a fetched source; skips what needs the mirror and does not have it."""
    fetched: dict[tuple[str, str], Path] = {}

    def get(name: str, place: str = "bundled") -> Path:
        if place == "mirror" and not os.environ.get("LEMUR_MIRROR"):
            pytest.skip("LEMUR_MIRROR is not set, so there are no original tasks")
        if (name, place) not in fetched:
            folder = tmp_path_factory.mktemp(place) / name
            fetch(Params(place=place), BUNDLED / name, files=folder)  # type: ignore[arg-type]
            fetched[name, place] = folder
        return fetched[name, place]

    return get


from tests.inference.conftest import tokenizer_folder  # noqa: E402, F401
