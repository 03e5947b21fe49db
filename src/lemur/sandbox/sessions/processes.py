"""Signals for the processes of a session."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def process_handle(pid: int) -> Iterator[int]:
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def send(pid: int, number: int, processes: Callable[[], list[int]]) -> None:
    """Signal a process that `processes` still lists once its id cannot pass to another one."""
    with contextlib.suppress(ProcessLookupError, PermissionError), process_handle(pid) as handle:
        if pid in processes():
            signal.pidfd_send_signal(handle, number)
