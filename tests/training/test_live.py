"""What a running training shows; nothing that fails there ends it."""

import json
import sys
from types import SimpleNamespace

import pytest

from lemur.training.monitoring import live
from tests.model.reference import small_config


class Server:
    """Stands for the mlflow module; every call after the start fails."""

    def __init__(self):
        self.asked = []

    def start(self, *_, **__):
        return None

    set_tracking_uri = set_experiment = start_run = start

    def log_metrics(self, *_, **__):
        self.asked.append("log_metrics")
        raise ConnectionError("gone")

    def end_run(self):
        self.asked.append("end_run")
        raise ConnectionError("gone")


@pytest.fixture
def server(monkeypatch, tmp_path):
    found = Server()
    monkeypatch.setitem(sys.modules, "mlflow", found)
    monkeypatch.setenv("LEMUR_LIVE_MLFLOW", "http://127.0.0.1:1")
    monkeypatch.setattr(live, "ROOT", tmp_path)
    return SimpleNamespace(asked=found.asked, file=tmp_path / ".lemur" / "live" / "run.jsonl")


def test_a_server_that_is_gone_ends_its_own_log_only(server, caplog):
    with live.Live("run", small_config(), 16) as shown:
        for step in (1, 2):
            shown.step({"step": step, "loss": 1.5}, rows=4)
    assert [json.loads(line)["step"] for line in server.file.read_text().splitlines()] == [1, 2]
    assert server.asked == ["log_metrics"] and "the live log to MLflow ends: gone" in caplog.text


def test_a_server_that_is_gone_at_the_end_stops_nothing(server, caplog):
    with live.Live("run", small_config(), 16):
        pass
    assert server.asked == ["end_run"] and "the live log was not closed: gone" in caplog.text
