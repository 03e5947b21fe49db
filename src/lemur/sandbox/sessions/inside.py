"""Runs inside the sandbox, as `python -c`: an IPython shell that executes cells and sends back what they print.

It behaves as MINT's mint/tools/python_tool.py did when its trajectories were published. This file imports nothing of
lemur. Messages are a JSON object a line (channel.py): the host sends first {tools, seconds, kept}, then {cell, code},
and {call, result} or {call, error} for each call of a tool; this sends {ready}, {call, name, arguments}, {done, output}.
"""

import importlib.util
import io
import json
import os
import random
import signal
import site
import sys
import threading
from types import CodeType, FunctionType, MethodType, TracebackType

from IPython.core import interactiveshell
from IPython.utils.capture import capture_output
from traitlets.config import Config

SEED = 0
ALARM_FRAME = """File <hidden_filepath>:32, in PythonREPL.time_limit.<locals>.signal_handler(signum, frame)
     31 def signal_handler(signum, frame):
---> 32     raise TimeoutError(f"Timed out after {seconds} seconds.")
"""
"""Of MINT's published trajectories."""


class Output(io.StringIO):
    """What a cell prints: the first `kept` characters of it, so that a flood fills no memory."""

    def __init__(self, kept):
        super().__init__()
        self.kept = kept

    def write(self, text):
        if isinstance(text, str) and len(text) > (room := max(0, self.kept - self.tell())):
            super().write(text[:room])
            return len(text)
        return super().write(text)


class Connection:
    """This side of the two pipes."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.received = b""

    def send(self, message):
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self.sink, data) :]

    def receive(self):
        while b"\n" not in self.received:
            chunk = os.read(self.source, 65536)
            if not chunk:
                os._exit(0)  # the host has closed the session
            self.received += chunk
        line, _, self.received = self.received.partition(b"\n")
        return json.loads(line)


class InteractiveShell(interactiveshell.InteractiveShell):
    """IPython without a terminal. Its tracebacks leave out the frames of this file. Errors tell the class's name."""

    alarm = None

    def init_ipython_dir(self, ipython_dir):
        """No folder for settings: IPython would create it."""

    def init_profile_dir(self, profile_dir):
        """None either."""

    def _get_exc_info(self, exc_tuple=None):
        kind, error, trace = super()._get_exc_info(exc_tuple)
        return kind, error, without_frames_here(trace)

    def _showtraceback(self, etype, evalue, stb):
        if evalue is not None and evalue is self.alarm:
            stb = self._alarm_traceback(etype, evalue)
        super()._showtraceback(etype, evalue, stb)

    def _alarm_traceback(self, kind, error):
        """MINT's traceback of a cell that ran out of time. Where in a loop or a function the alarm strikes depends on
        the machine, so it names the statement of the cell."""
        error.__context__ = None
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_globals is not self.user_ns:
            trace = trace.tb_next
        if trace is not None:
            line, start = min((line, start) for start, _, line in trace.tb_frame.f_code.co_lines() if line)
            trace = TracebackType(None, trace.tb_frame, start, line)
        *lines, message = self.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=0)
        return [*lines, ALARM_FRAME, message]


class Session:
    """The shell, its connection to the host, and the tools in its namespace."""

    def __init__(self, connection, tools, seconds, kept):
        self.connection, self.seconds, self.kept = connection, seconds, kept
        self.process, self.lock = os.getpid(), threading.Lock()
        self.running, self.calls = False, 0
        self.waiting = self.late = False
        config = Config()
        config.HistoryManager.enabled = False
        config.HistoryManager.hist_file = ":memory:"
        config.Completer.use_jedi = False
        namespace = {name: self.stub(name, parameters) for name, parameters in tools.items()}
        self.shell = InteractiveShell.instance(config=config, colors="NoColor", user_ns=namespace)

    def stub(self, name, parameters):
        """A method `__call__` with these parameters, as MINT's tools are, so that wrong arguments raise its errors."""
        absent = object()

        def send(arguments):
            return self.call(name, {key: value for key, value in arguments.items() if value is not absent})

        heads = [f"{parameter}=_absent" if optional else parameter for parameter, optional in parameters.items()]
        values = ", ".join(f"{parameter!r}: {parameter}" for parameter in parameters)
        made = {}
        scope = {**globals(), "_absent": absent}
        exec(f"def __call__({', '.join(['self', *heads])}): return self({{{values}}})", scope, made)
        function = made["__call__"]
        hidden = FunctionType(
            named(function.__code__, name), globals(), "__call__", function.__defaults__, function.__closure__
        )
        hidden.__qualname__ = "__call__"
        return MethodType(hidden, send)

    def call(self, name, arguments):
        """What the host's tool answers. Raises the error that it names."""
        with self.lock:
            if not self.running or os.getpid() != self.process:
                raise RuntimeError(f"{name} answers only while its cell runs, and in the session's own process")
            main = threading.current_thread() is threading.main_thread()
            self.waiting = main  # an alarm in between would lose the answer
            try:
                self.calls += 1
                texts = {key: value if isinstance(value, str) else str(value) for key, value in arguments.items()}
                self.connection.send({"call": self.calls, "name": name, "arguments": texts})
                while (answer := self.connection.receive()).get("call") != self.calls:
                    pass
            finally:
                self.waiting = False
        if main and self.late:
            self.late = False
            self.ring()
        if "error" in answer:
            raise {"TypeError": TypeError, "ValueError": ValueError}.get(answer["kind"], RuntimeError)(answer["error"])
        return answer["result"]

    def ring(self, *_):
        """The host's alarm: it counts the time of a cell."""
        if self.waiting:
            self.late = True
        elif self.running:
            self.shell.alarm = TimeoutError(f"Timed out after {self.seconds} seconds.")
            raise self.shell.alarm

    def run(self, code):
        output = Output(self.kept)
        self.late = False
        signal.signal(signal.SIGALRM, self.ring)
        try:
            self.running = True
            with capture_output():
                sys.stdout = output
                self.shell.run_cell(code, store_history=True)
        except BaseException as error:  # an alarm while IPython itself worked
            output.write(f"{type(error).__name__}: {error}\n")
        finally:
            self.running = False
        if os.getpid() != self.process:
            os._exit(0)  # a forked child also gets here
        return output.getvalue()

    def serve(self):
        self.connection.send({"ready": True})
        while True:
            request = self.connection.receive()
            if "cell" in request:
                self.connection.send({"done": request["cell"], "output": self.run(request["code"])})


class NumpyHook:
    """When numpy is imported: seeds its global generator, and prints numbers as numpy did when MINT was published."""

    def find_spec(self, name, path=None, target=None):
        if name != "numpy":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("numpy")
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.random.seed(SEED)
            module.set_printoptions(legacy="1.25")

        spec.loader.exec_module = exec_module
        return spec


def named(code: CodeType, tool: str) -> CodeType:
    return code.replace(co_qualname="__call__", co_filename=f"<{tool}>")


def without_frames_here(trace):
    """The traceback without the frames whose code is in this file."""
    if trace is None:
        return None
    rest = without_frames_here(trace.tb_next)
    if trace.tb_frame.f_globals is globals():
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


def refuse_recursion_limit(*args, **kwargs):
    """As MINT: a higher limit made some cells crash the interpreter."""
    print("Setting recursion limit is disabled")


def main():
    connection = Connection(int(os.environ.pop("LEMUR_PRIVATE_IN")), int(os.environ.pop("LEMUR_PRIVATE_OUT")))
    settings = connection.receive()
    site.sethelper()
    session = Session(connection, settings["tools"], settings["seconds"], settings["kept"])
    sys.setrecursionlimit = refuse_recursion_limit
    sys.meta_path.insert(0, NumpyHook())
    random.seed(SEED)
    os.dup2(1, 2)  # until here errors reached the host
    session.serve()


if __name__ == "__main__":
    main()
