"""Messages between a session and its interpreter: a JSON object a line, over two pipes.

The model's code can write to the interpreter's end, so everything that comes from it is untrusted: a line is bounded,
and an object has exactly the keys and types of one of the messages below."""

import json
import os
import select
from typing import Any

LINE_BYTES = 1 << 20
SHAPES: dict[frozenset[str], dict[str, type]] = {
    frozenset(shape): shape
    for shape in (
        {"ready": bool},
        {"call": int, "name": str, "arguments": dict},
        {"done": int, "output": str},
    )
}


class Ended(Exception):
    """The session cannot go on, for a reason that the model reads."""


INTERFERED = "its code interfered with the interpreter's connection"
PROCESS_ENDED = "its process ended"


class Channel:
    """The host's ends of the pipes `source` and `sink`, which it owns. Nothing here waits for the other side except
    `wait`, for a given time."""

    def __init__(self, source: int, sink: int) -> None:
        self.source, self.sink = source, sink
        self.received, self.unsent = bytearray(), bytearray()
        for fd in (source, sink):
            os.set_blocking(fd, False)

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message. Raises `Ended` if the other side leaves too many unread."""
        self.unsent += json.dumps(message).encode() + b"\n"
        if len(self.unsent) > 4 * LINE_BYTES:
            raise Ended(INTERFERED)
        self._write()

    def wait(self, seconds: float, process: int) -> bool:
        """Wait until something can be read or written, or `seconds` have passed; returns whether something happened.
        Raises `Ended` once nothing more can come. `process` is a pidfd of the sandbox."""
        poll = select.poll()
        poll.register(self.source, select.POLLIN)
        poll.register(process, select.POLLIN)
        if self.unsent:
            poll.register(self.sink, select.POLLOUT)
        ready = {fd for fd, _ in poll.poll(1000 * seconds)}
        if self.sink in ready:
            self._write()
        if self.source in ready:
            self._read()
        elif process in ready:
            raise Ended(PROCESS_ENDED)
        return bool(ready)

    def next(self) -> dict[str, Any] | None:
        """The next message, or `None` if none has arrived in full. Raises `Ended` for what is no message."""
        line, newline, rest = self.received.partition(b"\n")
        if len(line) >= LINE_BYTES:
            raise Ended(INTERFERED)
        if not newline:
            return None
        self.received = rest
        return parse(bytes(line))

    def silent(self) -> bool:
        """Whether nothing has arrived that was not taken."""
        return not self.received and not select.select([self.source], [], [], 0)[0]

    def close(self) -> None:
        for fd in (self.source, self.sink):
            os.close(fd)

    def _read(self) -> None:
        chunk = os.read(self.source, 65536)
        if not chunk:
            raise Ended(PROCESS_ENDED)
        self.received += chunk

    def _write(self) -> None:
        try:
            while self.unsent:
                del self.unsent[: os.write(self.sink, self.unsent[:65536])]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            raise Ended(PROCESS_ENDED) from None


def parse(line: bytes) -> dict[str, Any]:
    """A message of the interpreter. Raises `Ended` for anything else."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise Ended(INTERFERED) from None
    shape = SHAPES.get(frozenset(message)) if isinstance(message, dict) else None
    if shape is None or any(type(message[key]) is not kind for key, kind in shape.items()):
        raise Ended(INTERFERED)
    return dict(message)
