"""A tiny model folder, its model in process, and a server over it."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from flax import nnx

from lemur.inference.jax_model import JaxModel
from lemur.inference.text import TextCodec
from lemur.model import folder as model_folder
from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama
from lemur.serving.api.app import create_app
from lemur.serving.api.limits import TimedProtocol
from lemur.serving.engine import Engine
from tests.inference.conftest import tokenizer_folder  # noqa: F401
from tests.tools import ROOT

TILE = 4
CONFIG = LlamaConfig(
    vocab_size=300,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=16,
    max_position_embeddings=160,
    initializer_range=0.3,  # far from uniform, so that answers differ from prompt to prompt
    eos_token_id=2,
)
PROMPTS = [
    "x",
    "Question: How many",
    "def add(a, b):\n    return",
    "ünïcode 漢字",
    "The following are multiple choice questions " * 4,
    "    self.x",
    "class Point:\n    def __init__" * 5,
    "",
]


@pytest.fixture(scope="session")
def folder(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model_folder.save(folder, Llama(CONFIG, rngs=nnx.Rngs(0)), tokenizer_folder, dtype="float32")
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 4]}', encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def model(folder: Path) -> JaxModel:
    return JaxModel.load(folder, tile=TILE, bos=True)


@pytest.fixture(scope="session")
def codec(folder: Path) -> TextCodec:
    return TextCodec(folder, bos=True)


@pytest.fixture(scope="session")
def engine(folder: Path) -> Iterator[Engine]:
    engine = Engine.load(folder, tile=TILE, rows=8, waiting=64)
    yield engine
    engine.close()


class Served:
    """An app on 127.0.0.1, in a thread. `seconds`: what slow clients get; `most_bytes`: of a body."""

    def __init__(self, engine: Engine, *, seconds: float = 30.0, most_bytes: int = 1 << 20) -> None:
        app = create_app(engine, "tiny", seconds=seconds, most_bytes=most_bytes)
        protocol = type("Protocol", (TimedProtocol,), {"seconds": seconds})
        config = uvicorn.Config(app, port=0, http=protocol, ws="none", lifespan="off", log_level="error")
        self._server = uvicorn.Server(config)
        self._socket = config.bind_socket()
        self._socket.listen()  # so that no client comes too early
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="session")
def served(engine: Engine) -> Iterator[Served]:
    served = Served(engine)
    yield served
    served.stop()


def lemur(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """`lemur WORDS` with this checkout's code, and `text` as its input."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "lemur", *words]
    done = subprocess.run(command, input=text.encode(), env=environment, capture_output=True, timeout=280)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def plain(text: str) -> str:
    """What a terminal shows: without escape sequences and carriage returns."""
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text).replace("\r", "")
