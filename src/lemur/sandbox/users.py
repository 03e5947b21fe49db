"""Ids of the users as whom sandboxed commands run where this process is root."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_USER, USERS = 40000, 20000
_users: set[int] = set()
_lock = threading.Lock()


def unused_user() -> int:
    """A user id for the one sandbox that this thread runs now. RLIMIT_NPROC counts all processes of a user, so with a
    shared user another sandbox's fork bomb would starve this run. The id is below 65,536, which every container has, so
    threads whose ids are 20,000 apart, or equal in two containers, share it. Then one run can make the other fail by
    starting too many processes, but cannot affect it otherwise. `own_user` takes the ids from 40,000 on."""
    return 20000 + threading.get_native_id() % 20000


@contextmanager
def own_user() -> Iterator[int]:
    """A user id for a sandbox beside others of its thread. No other of this process has it, and hardly one of another
    process (see `unused_user`)."""
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
