"""What cells and tools can do, and the texts that a model reads: those of MINT's published trajectories."""

import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.sandbox import backend
from lemur.sandbox.sessions import interpreter, libraries
from lemur.sandbox.sessions.session import CellOutput, Session, SessionFault
from lemur.sandbox.sessions.texts import NO_OUTPUT, TRUNCATED, observation
from tests.sandbox.sessions.tools import MECHANISMS, NEEDED, children, goto, shout

pytestmark = NEEDED


def test_variables_last_and_the_counter_is_that_of_the_published_trajectories() -> None:
    with Session({}) as session:
        assert session.run("x = 6").text == NO_OUTPUT
        assert session.run("x * 7") == CellOutput("Out[2]: 42\n")
        assert session.run("print(x)\nx").text == "6\nOut[3]: 6\n"
        assert session.run("_ + 1; Out[2]").text == "Out[4]: 42\n"
        assert session.run("'a'\n'b'").text == "Out[5]: 'b'\n"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_gives_the_same_texts(mechanism: str) -> None:
    with Session({"goto": goto}, mechanism=mechanism) as session:
        assert session.run("goto('shelf 1')").text == "Out[1]: 'You go to shelf 1.'\n"
        assert (
            session.run("import numpy, scipy, sympy, pandas\nnumpy.random.rand()").text
            == "Out[2]: 0.5488135039273248\n"
        )
        assert "File /usr/local/lib/python3." in session.run("sympy.sqrt('(')").text
        text = session.run("import json\njson.loads('')").text
        assert "File /usr/lib/python3." in text and "/json/decoder.py:" in text and "/python/" not in text
        assert session.run("import os\nprint(os.getcwd())").text == "/box\n"
        assert str(Path.cwd()) not in session.run("print(os.environ, sys.path)").text


ZERO_DIVISION = """---------------------------------------------------------------------------
ZeroDivisionError                         Traceback (most recent call last)
Cell In[1], line 3
      1 def f(n):
      2     return 1 / n
----> 3 f(0)

Cell In[1], line 2, in f(n)
      1 def f(n):
----> 2     return 1 / n

ZeroDivisionError: division by zero
"""
SYNTAX = """  Cell In[1], line 1
    y = 8 - 4x
            ^
SyntaxError: invalid decimal literal

"""
TIMED_OUT = """1
---------------------------------------------------------------------------
TimeoutError                              Traceback (most recent call last)
Cell In[1], line 6
      4         while True:
      5             pass
----> 6 f()

File <hidden_filepath>:32, in PythonREPL.time_limit.<locals>.signal_handler(signum, frame)
     31 def signal_handler(signum, frame):
---> 32     raise TimeoutError(f"Timed out after {seconds} seconds.")

TimeoutError: Timed out after 1 seconds.
"""


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("def f(n):\n    return 1 / n\nf(0)", ZERO_DIVISION),
        ("y = 8 - 4x", SYNTAX),
        ("if True:\n    print(1)\n    def f():\n        while True:\n            pass\nf()", TIMED_OUT),
        ("import sys\nsys.setrecursionlimit(10**6)", "Setting recursion limit is disabled\n"),
        ("import sys\nprint('err', file=sys.stderr)", NO_OUTPUT),
        ("raise SystemExit(1)", "An exception has occurred, use %tb to see the full traceback.\n\nSystemExit: 1\n\n"),
        ("print('x' * 3000)", "x" * 2000 + TRUNCATED),
        ("import numpy as np\n[np.float64(0.5)], np.int64(3), np.mean([1, 2])", "Out[1]: ([0.5], 3, 1.5)\n"),
        ("object(), hex(123456), 'look at 0x10'", "Out[1]: (<object at 0x>, '0x1e240', 'look at 0x10')\n"),
        ("import random\nrandom.random(), hash('a') % 100", "Out[1]: (0.8444218515250481, 19)\n"),
        ("print(chr(0xD800), chr(0), 'é')", "? \0 é\n"),
        ("", NO_OUTPUT),
        ("missing?", "Object `missing` not found.\n"),
        ("import lemur", None),
        ("open('/tmp/module.py', 'w').write('y = 3')\n!cat /tmp/module.py", "y = 3"),
    ],
)
def test_texts(code: str, text: str | None) -> None:
    with Session({}, seconds=1 if "while" in code else 20) as session:
        output = session.run(code)
        assert output.ended is None
        if text is None:
            assert "ModuleNotFoundError: No module named 'lemur'" in output.text
        else:
            assert output.text == text
        assert session.run("print(6 * 7)").text == "42\n"


def test_exit_says_what_it_says_in_the_published_trajectories() -> None:
    with Session({}) as session:
        text = session.run("exit()").text
    assert text.startswith("-" * 75 + "\nAttributeError ")
    assert text.endswith("AttributeError: 'InteractiveShell' object has no attribute 'ask_exit'\n")


def test_a_timeout_can_be_caught_as_in_mint_and_the_session_goes_on() -> None:
    with Session({}, seconds=1) as session:
        # CPython 3.11 attributes an alarm that rings between two turns of a loop to the instruction before the loop,
        # which has to be inside the `try`; the keyword is not.
        code = "x = 1\ntry:\n    y = 2\n    while True: sum(range(99))\nexcept TimeoutError as error:\n    print(error)"
        assert session.run(code).text == "Timed out after 1 seconds.\n"
        started = time.monotonic()
        assert "TimeoutError: Timed out after 1 seconds." in session.run("import time\ntime.sleep(60)").text
        assert time.monotonic() - started < 30
        assert session.run("x").text == "Out[3]: 1\n"


def test_a_deaf_cell_ends_its_session_and_the_next_cell_starts_a_fresh_one() -> None:
    with Session({}, seconds=1) as session:
        session.run("x = 1")
        output = session.run("import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass")
        assert output.ended == "a cell went on after its limit of 1 seconds"
        assert output.text == (
            "The Python session was stopped: a cell went on after its limit of 1 seconds. "
            "A new one starts with the next cell; its variables are lost."
        )
        assert "NameError: name 'x' is not defined" in session.run("x").text


def test_wrong_arguments_raise_the_errors_of_mints_tools() -> None:
    with Session({"goto": goto}) as session:
        assert session.run("goto('a', 'b')").text.endswith(
            "\nCell In[1], line 1\n----> 1 goto('a', 'b')\n\n"
            "TypeError: __call__() takes 2 positional arguments but 3 were given\n"
        )
        assert (
            "TypeError: __call__() missing 1 required positional argument: 'receptacle'" in session.run("goto()").text
        )
        assert "got an unexpected keyword argument 'x'" in session.run("goto(x=1)").text
        assert session.run("print(goto(receptacle=5), goto(None), goto([1]))").text == (
            "You go to 5. You go to None. You go to [1].\n"
        )


def test_tools_have_optional_parameters_and_their_errors_are_raised_in_the_cell() -> None:
    def fail(what: str) -> str:
        raise ValueError(f"no {what}")

    with Session({"shout": shout, "fail": fail}) as session:
        assert session.run("print(shout('a'), shout('a', '?'), shout(text='b'))").text == "A! A? B!\n"
        assert session.run("fail('shelf')").text == (
            f"{'-' * 75}\nValueError                                Traceback (most recent call last)\n"
            "Cell In[2], line 1\n----> 1 fail('shelf')\n\nValueError: no shelf\n"
        )
        code = "from threading import Thread\nt = Thread(target=lambda: print(shout('c')))\nt.start(); t.join()"
        assert session.run(code).text == "C!\n"


def test_a_tools_own_failure_passes_on_and_ends_the_session() -> None:
    def broken() -> str:
        raise ConnectionError("the server died")

    before = children()
    session = Session({"broken": broken})
    with pytest.raises(ConnectionError, match="the server died"):
        session.run("try: broken()\nexcept BaseException: print('caught')")
    assert children() == before
    with pytest.raises(ConnectionError):
        session.run("broken()")


def test_the_time_of_a_tool_does_not_count() -> None:
    def slow() -> str:
        time.sleep(2.5)
        return "done"

    with Session({"slow": slow}, seconds=1) as session:
        assert session.run("slow()").text == "Out[1]: 'done'\n"


def test_long_answers_of_tools_are_cut_and_calls_are_counted() -> None:
    with Session({"long": lambda: "é" * 10**6, "shout": shout}) as session:
        assert session.run("len(long())").text == "Out[1]: 65536\n"
        text = session.run("for n in range(1100): last = shout(n)").text
        assert "RuntimeError: a cell may call tools 1,000 times" in text
        assert session.run("last, shout('x')").text == "Out[3]: ('999!', 'X!')\n"


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ({"not a name": goto}, "no Python name"),
        ({"class": goto}, "no Python name"),
        ({"f": lambda *a: ""}, "plain parameters"),
        ({"f": lambda **a: ""}, "plain parameters"),
    ],
)
def test_what_cannot_be_a_tool(tools: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Session(tools)  # type: ignore[arg-type]


def test_a_session_starts_with_its_first_cell_and_ends_once() -> None:
    before = children()
    session = Session({})
    assert children() == before
    session.run("1")
    assert children() != before
    session.close()
    session.close()
    assert children() == before
    session.run("1")
    del session
    gc.collect()
    assert children() == before, "the last reference ends it"


def test_sessions_of_threads_that_end_go_on() -> None:
    """bubblewrap dies with the thread that started it."""
    session = Session({})
    for expected in ("Out[1]: 1\n", "Out[2]: 1\n", "Out[3]: 1\n"):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(session.run, "1").result().text == expected
    session.close()


def test_many_sessions_at_once_are_apart() -> None:
    def play(number: int) -> list[str]:
        with Session({"goto": lambda receptacle: f"{number} {receptacle}"}) as session:
            barrier.wait(120)
            return [session.run(f"x = {number}").text, session.run("print(x, goto('y'))").text]

    barrier = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(play, range(8))) == [[NO_OUTPUT, f"{n} {n} y\n"] for n in range(8)]


def test_what_a_cell_leaves_behind_stands_still_until_the_next_cell() -> None:
    code = (
        "import threading\nn = 0\ndef work():\n    global n\n    while True: n += 1\nt = threading.Thread(target=work)"
    )
    with Session({}) as session:
        session.run(f"{code}\nt.daemon = True\nt.start()")
        pid = session._interpreter._processes()[0]  # type: ignore[union-attr]
        deadline = time.monotonic() + 20
        while state(pid) != "T" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert state(pid) == "T"
        assert session.run("print(t.is_alive())").text == "True\n"


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def test_faults_of_the_environment_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "_INSIDE", "import nothing_like_that")
    with pytest.raises(SessionFault, match=r"did not start in .*: ModuleNotFoundError: No module named 'nothing_like"):
        Session({}).run("1")
    monkeypatch.setattr(libraries, "found", lambda _: libraries.installed_distribution("not-installed-here"))
    with pytest.raises(
        SessionFault, match="needs the library not-installed-here, which is not installed: run `make setup`"
    ):
        Session({}).run("1")


def test_without_a_sandbox_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "probe", lambda mechanism: "not here")
    backend.layers.cache_clear()
    try:
        with pytest.raises(sandbox.Unavailable):
            Session({}).run("1")
    finally:
        backend.layers.cache_clear()


def test_only_the_libraries_are_visible() -> None:
    found = libraries.found()
    assert {"IPython", "numpy", "numpy.libs", "sympy", "mpmath", "pandas", "scipy", "PIL"} <= set(found)
    assert not {"jax", "pydantic", "pytest", "jedi", "requests"} & set(found)
    assert all(os.path.exists(path) for path in found.values())


def test_an_observation_is_cut_after_its_paths_were_replaced() -> None:
    text = observation("/libraries/x at 0x7f0011223344" + "a" * 2000, 50, "/libraries", "/python/lib")
    assert text.startswith("/usr/local/lib/python3.") and "at 0xaaa" not in text
    assert len(text) == 50 + len(TRUNCATED)
