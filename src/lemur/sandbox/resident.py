"""A process that stays in the sandbox and answers one JSON object a line with one, such as a database server."""

import json
import os
import select
import time
from typing import Any

from lemur.sandbox.process import Launch, start_to_last

ANSWER_BYTES = 64 << 20
"""Bytes of an answer; a longer one counts as the process's death."""


class Died(Exception):
    """The process ended, did not answer in time or answered nonsense; it is gone."""


class Resident:
    """Starts `launch`. Only one thread may ask at a time."""

    def __init__(self, launch: Launch) -> None:
        source, self._sink = os.pipe()
        self._source, sink = os.pipe()
        try:
            self._tree = start_to_last(launch, stdin=source, stdout=sink)
        except BaseException:
            os.close(self._sink)
            os.close(self._source)
            raise
        finally:
            os.close(source)
            os.close(sink)
        self._open = True

    def ask(self, question: object, seconds: float) -> dict[str, Any]:
        """The answer, within `seconds`. Raises `Died`."""
        if not self._open:
            raise Died("it is closed")
        try:
            self._write(json.dumps(question).encode() + b"\n")
            answer = json.loads(self._line(time.monotonic() + seconds))
        except (OSError, ValueError, RecursionError) as error:
            raise self._died(str(error)) from None
        if not isinstance(answer, dict):
            raise self._died("it sent no object")
        return answer

    def close(self) -> None:
        """Kill and reap all its processes. May be called twice."""
        if self._open:
            self._open = False
            os.close(self._sink)
            os.close(self._source)
            self._tree.end()
            for stream in (self._tree.process.stdout, self._tree.process.stderr):
                if stream is not None:
                    stream.close()

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._sink, rest) :]

    def _line(self, deadline: float) -> bytes:
        kept = bytearray()
        while not kept.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._source], [], [], left)[0]:
                raise ValueError("it did not answer in time")
            chunk = os.read(self._source, 1 << 16)
            if not chunk:
                raise ValueError("it ended")
            kept += chunk
            if len(kept) > ANSWER_BYTES:
                raise ValueError("its answer is too long")
        return bytes(kept)

    def _died(self, reason: str) -> Died:
        self._tree.kill()
        stderr = self._tree.process.stderr
        assert stderr is not None
        os.set_blocking(stderr.fileno(), False)
        last_words = (stderr.read() or b"").decode(errors="replace").strip()[-300:]
        self.close()
        return Died(f"{reason}; its last words: {last_words or 'none'}")
