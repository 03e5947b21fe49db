"""Back end `vllm`: the stage starts a vLLM server (`make serve`) on its model folder, waits for it and stops it."""

import atexit
import os
import signal
import socket
import subprocess
from contextlib import suppress
from functools import cached_property

import requests
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from lemur.core import workers
from lemur.core.files import ROOT
from lemur.core.records import Record
from lemur.inference.server_model import Server, ServerError, ServerModel, session
from lemur.inference.text import TextCodec
from lemur.inference.token_model import identity

PYTHON = ROOT / ".venv-serve/bin/python"
START_S = 1200.0  # takes 30 to 50 s on two idle cores, five minutes on busy ones; a server that fails exits by itself
CONCURRENCY = 32
# A killed stage runs no cleanup, and vLLM ignores a SIGTERM that arrives while it starts. So a shell in the server's
# process group waits until its pipe from the stage closes, as it does when the stage ends, and then kills the group.
GUARDED = """exec 3<&0
(trap '' TERM; read -r _ <&3; kill -TERM 0; sleep 5; kill -KILL 0) &
exec "$@" </dev/null 3<&-
"""


class VllmModel(ServerModel):
    """The server starts with the first request and ends with this process."""

    backend = "vllm"

    def __init__(self, codec: TextCodec, context_length: int) -> None:
        if not PYTHON.is_file():
            raise ServerError(
                f"{PYTHON} is missing; install vLLM (3.4 GB) with `make serve`, or choose another backend"
            )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._address = f"http://127.0.0.1:{port}"
        super().__init__(codec, Server(f"{self._address}/v1", concurrency=CONCURRENCY), context_length)
        self._process: subprocess.Popen[bytes] | None = None

    @cached_property
    def served(self) -> str:
        self.start()
        return super().served

    def identity(self) -> Record:
        record = identity(self.backend, self._codec)
        return {**record, "library_versions": {**record["library_versions"], "vllm": _version()}}

    def start(self) -> None:
        """Start the server and wait for it. Raises `ServerError` with the end of its log if it exits or does not answer
        within `START_S`."""
        folder = self._codec.folder.resolve()
        log = ROOT / "logs" / f"vllm-{folder.name}-{os.getpid()}.log"
        log.parent.mkdir(exist_ok=True)
        host, port = self._address.removeprefix("http://").split(":")
        command = [
            PYTHON,
            "-m",
            "vllm.entrypoints.openai.api_server",
            "--model",
            folder,
            "--host",
            host,
            "--port",
            port,
        ]
        command += ["--served-model-name", folder.name, "--max-model-len", str(self.context_length)]
        # Float32 without compilation, so that greedy answers equal the other back ends'.
        command += ["--dtype", "float32", "--enforce-eager"]
        settings = {
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "OMP_NUM_THREADS": str(workers.count()),
        }
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["sh", "-c", GUARDED, "vllm", *map(str, command)],
                env={name: value for name, value in {**os.environ, **settings}.items() if name != "PYTHONPATH"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        atexit.register(self.close)
        process = self._process
        polling = Retrying(
            retry=retry_if_result(lambda healthy: not healthy and process.poll() is None),
            stop=stop_after_delay(START_S),
            wait=wait_fixed(0.5),
            retry_error_callback=lambda _: False,
        )
        if not polling(self._healthy):
            self.close()
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
            raise ServerError(f"vLLM did not start; the end of {log}:\n{tail}")

    def close(self) -> None:
        """Stop the server and all its processes."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the rest of the group, at least the shell
        process.communicate()

    def _healthy(self) -> bool:
        try:
            return session(self._address).get(f"{self._address}/health", timeout=5).ok
        except requests.RequestException:
            return False


def _version() -> str:
    """The version of vLLM that `make serve` installed, read without starting it."""
    paths = sorted(PYTHON.parents[1].glob("lib/python3*/site-packages/vllm_cpu-*.dist-info"))
    return paths[0].name.removesuffix(".dist-info").partition("-")[2] if paths else "unknown"
