"""The live log of a running training; no failure in it ends the training."""

import json
import sys
from types import SimpleNamespace

import pytest

from lemur.training.monitoring import live
from tests.model.reference import small_config


class Server:
    """Stands in for the mlflow module; every call after the start fails."""

    def __init__(self):
        self.calls = []

    def start(self, *_, **__):
        return None

    set_tracking_uri = set_experiment = start_run = start

    def log_metrics(self, *_, **__):
        self.calls.append("log_metrics")
        raise ConnectionError("gone")

    def end_run(self):
        self.calls.append("end_run")
        raise ConnectionError("gone")


@pytest.fixture
def server(monkeypatch, tmp_path):
    module = Server()
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setenv("LEMUR_LIVE_MLFLOW", "http://127.0.0.1:1")
    monkeypatch.setattr(live, "ROOT", tmp_path)
    return SimpleNamespace(calls=module.calls, file=tmp_path / ".lemur" / "live" / "run.jsonl")


def test_losing_the_server_ends_only_the_log_to_it(server, caplog):
    with live.Live("run", small_config(), 16) as log:
        for step in (1, 2):
            log.step({"step": step, "loss": 1.5}, rows=4)
    lines = [json.loads(line) for line in server.file.read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    # JAX alone takes a hundred megabytes.
    assert all(line["cpu_percent"] >= 0 and 50 < line["peak_memory_mib"] < 1e6 for line in lines)
    assert server.calls == ["log_metrics"] and "the live log to MLflow ends here: gone" in caplog.text


def test_losing_the_server_at_the_end_raises_nothing(server, caplog):
    with live.Live("run", small_config(), 16):
        pass
    assert server.calls == ["end_run"] and "the live log was not closed: gone" in caplog.text
