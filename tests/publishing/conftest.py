"""A checkout in which one small model was trained, and a hub on 127.0.0.1."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flax import nnx

from lemur.core.records import Record, write_json, write_jsonl
from lemur.model import checksums, folder
from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama
from tests.inference.conftest import tokenizer_folder  # noqa: F401

SHAPE = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
CONFIG = LlamaConfig(vocab_size=300, num_key_value_heads=1, head_dim=8, max_position_embeddings=64, **SHAPE)


@pytest.fixture
def model(tmp_path: Path, tokenizer_folder: Path) -> Path:  # noqa: F811
    path = tmp_path / "models" / "tiny"
    folder.save(path, Llama(CONFIG, rngs=nnx.Rngs(0)), tokenizer_folder, dtype="float32")
    return path


def result(model: Path, name: str, values: Record, **changes: Any) -> Record:
    """A result as an evaluation writes it."""
    metrics = {key.partition(",")[0]: True for key in values if "_stderr" not in key}
    return {
        "results": {name: values},
        "configs": {name: {"data": {"sample": False}}},
        "n-shot": {name: 0},
        "n-samples": {name: {"original": 10, "effective": 5}},
        "higher_is_better": {name: metrics},
        "model_hash": checksums.sha256(model),
        **changes,
    }


@pytest.fixture
def root(tmp_path: Path, model: Path) -> Path:
    """The checkout of `model`, with results of it and of another one."""
    scores = {"pass@1,strict": 0.4, "pass@1_stderr,strict": 0.2}
    write_json(tmp_path / "reports/eval/tiny/humaneval.json", result(model, "humaneval", scores))
    answers = [
        {"id": "1", "prompt": "def empty():", "output": " "},
        {"id": "2", "prompt": "p" * 900, "output": "```\nx"},
    ]
    write_jsonl(tmp_path / "data/eval/tiny/humaneval.jsonl", answers)
    sample = result(model, "mmlu", {"acc,none": 0.25}, configs={"mmlu": {"data": {"sample": True}}})
    write_json(tmp_path / ".lemur/eval/tiny/mmlu.json", sample)
    write_json(tmp_path / "reports/eval/other/gsm8k.json", result(model, "gsm8k", {"em,none": 1.0}, model_hash="0"))
    write_json(tmp_path / "reports/eval/tiny/ds1000.json", {"results": {"ds1000": {"skipped": "no"}}, "configs": {}})
    return tmp_path


class Hub(ThreadingHTTPServer):
    """The parts of the hub's API that an upload of small files uses. `refuse`: the status of commits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.refuse: int | None = None
        self.created: list[Record] = []
        self.validated: list[str] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, {"sha": "0" * 40, "id": "me/tiny", "siblings": []})

    def do_POST(self) -> None:
        text = self._read()
        self.server.tokens.add(self.headers["Authorization"])
        if self.path.startswith("/api/repos/create"):
            self.server.created.append(json.loads(text))
            self._send(200, {"url": f"{self.server.url}/me/tiny"})
        elif self.path.startswith("/api/validate-yaml"):
            self.server.validated.append(json.loads(text)["content"])
            self._send(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(text)["files"]]
            self._send(200, {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        elif self.server.refuse:
            self._send(self.server.refuse, {"error": "the hub says no"})
        else:
            for line in text.splitlines():
                if (entry := json.loads(line))["key"] == "file":
                    self.server.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            commit = {"commitUrl": f"{self.server.url}/me/tiny/commit/1", "commitOid": "1" * 40, "success": True}
            self._send(200, commit)

    def _read(self) -> bytes:
        if self.headers["Content-Length"]:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):  # chunked
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
