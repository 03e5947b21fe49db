"""Cells that attack the machine, the session or its connection. They harm no run, session or later cell."""

import os
import time
from collections.abc import Iterator

import pytest

from lemur.sandbox.sessions.session import CellOutput, Session
from lemur.sandbox.sessions.texts import TRUNCATED
from tests.sandbox.sessions.tools import MECHANISMS, NEEDED, children, goto
from tests.sandbox.test_evil_programs import EVIL, host_state

pytestmark = NEEDED
CHARACTERS = 500
PIPES = """
import json, os, stat, threading, time
def pipes():
    for n in range(3, 256):
        try:
            if stat.S_ISFIFO(os.fstat(n).st_mode): yield n
        except OSError: pass
def say(message):
    for n in pipes():
        try: os.write(n, message if isinstance(message, bytes) else json.dumps(message).encode() + b'\\n')
        except OSError: pass
"""

# Name, cell. Of those that begin with PIPES the connection is the target.
CELLS: dict[str, str] = {
    **{name: code for name, code, _ in EVIL},
    "kills itself": "import os\nos.kill(os.getpid(), 9)",
    "stops itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "ignores the alarm": "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass",
    "blocks the alarm": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
    "catches the alarm": "while True:\n try:\n  while True: pass\n except BaseException: pass",
    "one long operation": "x = 7 ** (10 ** 9)",
    "ends while others wait": "import os, time\nif os.fork(): os._exit(0)\ntime.sleep(100)",
    "a fork returns from the cell": "import os\npid = os.fork()\nprint(pid > 0)",
    "flood below Python": "import os\nwhile True: os.write(1, b'x' * 65536); os.write(2, b'x' * 65536)",
    "quits": "quit()",
    "asks to exit": "get_ipython().ask_exit = lambda: None\nexit()",
    "no stdout": "import sys\nsys.stdout = None",
    "closed stdout": "import sys\nsys.stdout.close()\nprint(1)",
    "huge output": "print('x' * (1 << 28))",
    "huge value": "'x' * (1 << 28)",
    "evil repr": "class E:\n def __repr__(self): import os; os._exit(0)\nE()",
    "endless repr": "class E:\n def __repr__(self):\n  while True: pass\nE()",
    "evil traceback": "class E(Exception):\n def _render_traceback_(self): return [1, None]\nraise E",
    "no builtins": "import builtins\nfor name in list(vars(builtins)): delattr(builtins, name)",
    "no json": "import json\njson.loads = json.dumps = None",
    "no os": "import os\nos.write = os.read = os.getpid = None",
    "no shell": "type(get_ipython()).run_cell = None",
    "shell that lies": "get_ipython().run_cell = lambda *a, **k: print('lie')",
    "no history": "del In, Out, _ih, _oh\nget_ipython().history_manager = None",
    "no modules": "import sys\nsys.modules.clear()",
    "no namespace": "globals().clear()",
    "overwritten tool": "goto = lambda *a: 'lie'\nprint(goto(1))",
    "gutted tool": "goto.__func__.__code__ = (lambda self, receptacle: self)(0, 1).__class__",
    "looks into the tool": "print(goto.__func__.__globals__.keys(), goto.__self__.__closure__)",
    "clears all frames": "import sys\nf = sys._getframe()\nwhile f: f.f_locals.clear(); f = f.f_back",
    "sessions in a session": "from lemur.sandbox.sessions.session import Session\nSession({}).run('1')",
    "a sandbox in the sandbox": "import subprocess\nsubprocess.run(['unshare', '-Ur', 'true'], check=True)",
    "leaves a thread": "import threading\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()",
    "leaves a daemon": "import os\nif not os.fork():\n os.setsid()\n if os.fork(): os._exit(0)\n while True: pass",
    "wakes the others": "import os, signal\nif not os.fork():\n while True: os.kill(-1, signal.SIGCONT)",
    "atexit": "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit",
    "signals for everyone": "import os\nfor n in range(1, 65):\n try: os.kill(-1, n)\n except OSError: pass",
    "forged result": PIPES + "say({'call': 1, 'result': 'forged'})",
    "forged result of a call": PIPES + "say({'call': 1, 'name': 'goto', 'arguments': {}, 'result': 'forged'})",
    "forged done": PIPES + "say({'done': 1, 'output': 'forged'})",
    "forged done, again and again": PIPES + "for n in range(5000): say({'done': n, 'output': 'forged'})",
    "forged done of another cell": PIPES + "say({'done': 2, 'output': 'forged'})\ntime.sleep(100)",
    "ready again": PIPES + "say({'ready': True})",
    "1 GB message": PIPES + "for _ in range(1 << 10): say(b'x' * (1 << 20))",
    "1 GB of messages": PIPES
    + 'for _ in range(1 << 14): say(b\'{"call": 1, "name": "x", "arguments": {}}\\n\' * 1500)',
    "1 GB output": PIPES + 'say(b\'{"done": 1, "output": "\')\nfor _ in range(1 << 10): say(b\'x\' * (1 << 20))',
    "large result": PIPES + "say({'done': 1, 'output': 'x' * 1000000})",
    "half a message": PIPES + "say(b'{\"done\": 1')\ntime.sleep(100)",
    "not JSON": PIPES + "say(b'\\xff\\x00\\n')",
    "no object": PIPES + "say([1, 2])",
    "empty lines": PIPES + "say(b'\\n' * 100000)",
    "deep nesting": PIPES + "say(b'[' * 500000 + b'\\n')",
    "huge number": PIPES + "say(b'{\"done\": ' + b'9' * 500000 + b', \"output\": \"\"}\\n')",
    "wrong types": PIPES + "say({'done': True, 'output': 'x'})",
    "wrong output": PIPES + "say({'done': 1, 'output': ['x'] * 10})",
    "wrong arguments": PIPES + "say({'call': 1, 'name': 'goto', 'arguments': [1]})",
    "wrong values": PIPES + "say({'call': 1, 'name': 'goto', 'arguments': {'receptacle': {'a': [1]}}})",
    "missing arguments": PIPES + "say({'call': 1, 'name': 'goto', 'arguments': {}})",
    "unknown tool": PIPES + "say({'call': 1, 'name': '__class__', 'arguments': {}})",
    "surrogates": PIPES + 'say(b\'{"done": 1, "output": "\\\\ud800\\\\u0000"}\\n\')',
    "endless calls": "while True:\n try: goto('x')\n except BaseException: pass",
    "forged calls that are never read": PIPES
    + "while True: say({'call': 1, 'name': 'goto', 'arguments': {'receptacle': 'x' * 60000}})",
    "reads the host's messages": PIPES + "for n in pipes(): threading.Thread(target=os.read, args=(n, 9)).start()",
    "closes its pipes": PIPES + "for n in list(pipes()): os.close(n)",
    "closes its pipes and sleeps": PIPES + "for n in list(pipes()): os.close(n)\ntime.sleep(100)",
    "swaps its pipes": PIPES + "a, b = list(pipes())[:2]\nos.dup2(a, 99)\nos.dup2(b, a)\nos.dup2(99, b)",
    "a child holds the pipes": PIPES + "if os.fork(): os._exit(0)\nos.setsid()\ntime.sleep(100)",
    "a child writes to the pipes": PIPES
    + "if not os.fork():\n os.setsid()\n while True: say({'done': 1, 'output': 'forged'})\ntime.sleep(0.2)",
    "calls after the cell": "import threading, time\ndef late():\n time.sleep(0.05); goto('x')\n"
    "threading.Thread(target=late).start()",
    "messages after the cell": PIPES
    + "def late():\n while True: time.sleep(0.001); say({'call': 9, 'name': 'goto', 'arguments': {}})\n"
    "threading.Thread(target=late, daemon=True).start()",
}
SHORT = ("sleep", "endless", "fork bomb", "deaf", "alarm", "while True", "sleep(100)", "SIGSTOP", "10 ** 9")


def attack(code: str, mechanism: str | None = None) -> CellOutput:
    """The attack's observation, after the session was found to work again."""
    short = any(word in code for word in SHORT) or "while" in code
    with Session(
        {"goto": goto}, seconds=1 if short else 20, characters=CHARACTERS, memory_mb=256, mechanism=mechanism
    ) as session:
        output = session.run(code)
        session.run("1")  # here a session ends that was attacked unseen
        session.close()
        assert session.run("print(6 * 7, goto('x'))") == CellOutput("42 You go to x.\n")
    return output


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Session]:
    with Session({"goto": goto}) as session:
        session.run("x = [6, 7]")
        yield session


@pytest.mark.parametrize("name", CELLS)
def test_is_contained(name: str, neighbour: Session) -> None:
    before = children()
    started = time.monotonic()
    output = attack(CELLS[name])
    assert len(output.text) <= CHARACTERS + len(TRUNCATED) and output.text
    assert (output.ended is None) or output.text.startswith("The Python session was stopped: ")
    assert neighbour.run("print(x, goto('y'))").text == "[6, 7] You go to y.\n"
    assert children() == before, "processes or zombies"
    assert time.monotonic() - started < 240


@pytest.mark.parametrize("mechanism", [name for name in MECHANISMS if name == "landlock"])
@pytest.mark.parametrize("name", [name for name, code in CELLS.items() if code.startswith(PIPES)])
def test_is_contained_without_namespaces(name: str, mechanism: str) -> None:
    before = children()
    attack(CELLS[name], mechanism)
    assert children() == before


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", CELLS)
def test_is_contained_fifty_times(name: str, neighbour: Session) -> None:
    """And the host is as it was: processes, groups, mounts, files."""
    host, before = host_state(), children()
    for _ in range(int(os.environ.get("LEMUR_ATTACKS", "50"))):
        attack(CELLS[name])
    assert neighbour.run("print(x, goto('y'))").text == "[6, 7] You go to y.\n"
    assert children() == before and host_state() == host
