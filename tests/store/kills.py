"""Commands killed while they talk to the server."""

import random
import time

from tests.processes import Build, until
from tests.store.s3_server import Store
from tests.tools import Project


def killed(project: Project, store: Store, *command: str, moment: random.Random, requests: int) -> bool:
    """Start a command, and kill it with all its processes at a random moment of its first `requests` requests.

    False if it had already ended.
    """
    before, wanted = len(store.requests), moment.randrange(1, requests)
    build = Build(project, *command)
    until(lambda: len(store.requests) - before >= wanted or build.process.poll() is not None)
    time.sleep(moment.random() / 10)
    if build.process.poll() is not None:
        return False
    build.kill(group=True)
    return True
