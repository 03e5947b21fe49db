"""Compares `lemur serve` with transformers' own server: tokens per second under many clients, on the same CPU.

    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.13.0 "transformers[serving]==5.23.0"
    python benchmarks/serving.py ENVIRONMENT/bin/transformers [--model FOLDER] [--clients 32] [--rounds 3] [--threads 1]

Both servers get the same prompts, greedy, with the same number of threads (more than one: the bits of `lemur serve` are
then not those of the profile). The peer runs without and with continuous batching; its better rate counts. The sides
take turns, and whoever waits is stopped. An answer that is lost or has no text ends the comparison. On a busy machine
the tokens per CPU second of the server say more than those per second: other processes take time from both.
"""

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests
from rounds import Rates, alternate, best_of, machine, ratio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
GOAL = 2.0
SUBJECTS = (
    "a function that adds",
    "a lemur",
    "the city of Paris",
    "a list of primes",
    "the sea",
    "a class Point",
    "a song",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", type=Path, help="the program `transformers` of an environment with torch")
    parser.add_argument("--model", type=Path, default=ROOT / "models/lemur_chat")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=64, help="in a round")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tile", type=int, default=16)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end too
    print(machine(), flush=True)
    model = str(arguments.model.resolve())
    threads = str(arguments.threads)
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
    settings |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    ours = [sys.executable, "-c", OURS, threads, "serve", model, "--tile", str(arguments.tile)]
    ours += ["--context", str(arguments.context), "--name", model]
    theirs = [str(arguments.peer), "serve", model, "--host", "127.0.0.1", "--device", "cpu", "--log-level", "error"]
    commands = {
        "lemur serve": ours,
        "transformers serve": theirs,
        "transformers serve --continuous-batching": [
            *theirs,
            "--continuous-batching",
            "--cb-max-memory-percent",
            "0.1",
        ],
    }
    with ExitStack() as stack:
        sides: dict[str, Callable[[], float]] = {}
        by_cpu: Rates = {}
        for name, command in commands.items():
            try:
                by_cpu[name] = []
                side = stack.enter_context(running(command, settings, arguments, by_cpu[name]))
                print(f"{name}: {side():.0f} tokens/s in a first round, with compilation", flush=True)
                sides[name] = side
            except RuntimeError as error:
                print(f"{name}: {error}")
        if len(sides) < 2:
            return 1
        by_clock = alternate(sides, arguments.rounds)
    print(f"{arguments.model.name}, {arguments.clients} clients:")
    for unit, rates in (("s", by_clock), ("CPU second", {name: by_cpu[name][1:] for name in sides})):
        for name, values in rates.items():
            print(f"  {name}: {statistics.median(values):.0f} tokens/{unit} {[round(value) for value in values]}")
        peer = best_of({name: values for name, values in rates.items() if name != "lemur serve"})
        result = ratio(rates["lemur serve"], rates[peer])
        print(f"  {result} times as many tokens/{unit} as `{peer}`; {GOAL} times: {result.verdict(GOAL)}")
    return int(result.median < GOAL)


# The command line with another number of XLA's threads than the profile's.
OURS = """
import sys
from lemur.commands.app import parse
from lemur.core import numerics
apply, threads = numerics.apply_numerics, int(sys.argv[1])
numerics.apply_numerics = lambda profile: apply({**profile, "threads": threads})
parse(sys.argv[2:])()
"""


@contextmanager
def running(
    command: list[str], settings: dict[str, str], arguments: argparse.Namespace, by_cpu: list[float]
) -> Iterator[Callable[[], float]]:
    """A round against a server of its own, which is stopped between rounds: its tokens per second; those per CPU second
    of the server go to `by_cpu`. Raises `RuntimeError` if it answers wrongly."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Output to nowhere: some write a line for each request.
    process = subprocess.Popen(
        [*command, "--port", str(port)], env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd="/",
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def round_() -> float:
        os.killpg(process.pid, signal.SIGCONT)
        try:
            start, before = time.perf_counter(), cpu_seconds(process.pid)
            tokens = ask_all(f"{url}/v1/completions", arguments)
            by_cpu.append(tokens / (cpu_seconds(process.pid) - before))
            return tokens / (time.perf_counter() - start)
        finally:
            os.killpg(process.pid, signal.SIGSTOP)

    try:
        wait_until_ready(url, process)
        yield round_
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            if requests.get(f"{url}/health", timeout=10).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise RuntimeError("the server did not start")


def cpu_seconds(pid: int) -> float:
    """Of a process and its children."""
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def ask_all(url: str, arguments: argparse.Namespace) -> int:
    """Send a round of requests, by as many clients at once. Returns the tokens of their answers."""

    def ask(number: int) -> int:
        # Of different lengths, as people write.
        prompt = f"Question {number}: write about {' and '.join(SUBJECTS[number % 7 :][: 1 + number % 3])}.\nAnswer:"
        body: dict[str, Any] = {"prompt": prompt, "max_tokens": arguments.tokens, "temperature": 0}
        body["model"] = str(arguments.model.resolve())
        answer = requests.post(url, json=body, timeout=1800)
        if not answer.ok:
            raise RuntimeError(f"status {answer.status_code}: {re.sub(chr(10), ' ', answer.text)[:300]}")
        content = answer.json()
        if not content["choices"][0]["text"]:
            raise RuntimeError("an answer without text")
        return int(content["usage"]["completion_tokens"])

    with ThreadPoolExecutor(arguments.clients) as pool:
        return sum(pool.map(ask, range(arguments.requests)))


if __name__ == "__main__":
    sys.exit(main())
