import pytest


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting workers takes longer than a stage on a few records; tests of several workers set their own number."""
    monkeypatch.setenv("LEMUR_WORKERS", "1")
