"""Signals for the processes of a session, and a user id for them."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

FIRST_USER, USERS = 40000, 20000
_users: set[int] = set()
_lock = Lock()


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


@contextmanager
def own_user() -> Iterator[int]:
    """A user id that no other session of this process has, and hardly one of another process (see
    `bubblewrap.unused_user`)."""
    with _lock:
        number = 97 * os.getpid() % USERS
        while number in _users:
            number = (number + 1) % USERS
        _users.add(number)
    try:
        yield FIRST_USER + number
    finally:
        with _lock:
            _users.remove(number)
