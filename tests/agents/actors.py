"""Models for tests of the agents' stages: they know the tasks and act as told."""

import re
from collections.abc import Callable, Sequence

from lemur.benchmark_items.mint import Task
from lemur.core.records import Record
from tests.evaluation.conftest import ASK_FOR_ANSWERS, Oracle

ACT: Record = ASK_FOR_ANSWERS | {
    "max_new_tokens": 512,
    "turns": [5],
    "proposals": 2,
    "cell_seconds": 10,
    "cell_memory": 512,
    "observation_characters": 2000,
}
SEARCH: Record = {"recorded": True, "behind": "local", "corpus_sha256": None}


class Actor(Oracle):
    """Answers with `says(task, turn)`; a turn counts from 0. The task is the one whose text ends the first message."""

    chat = True

    def __init__(self, tasks: Sequence[Task], says: Callable[[Task, int], str]) -> None:
        super().__init__(self._say, context_length=1 << 20)
        self._tasks = {task.task_prompt.strip(): task for task in tasks}
        self._says = says

    def _say(self, prompt: str) -> str:
        first, *later = re.split(r"\[assistant\](?=Assistant:\n)", prompt.removesuffix("[assistant]"))
        task = self._tasks[first.rpartition("---\n\nTask:\n")[2].strip()]
        return self._says(task, len(later))


def proposes(solution: str) -> str:
    return f"<thought> I know. </thought>\n<solution> {solution} </solution>"


def runs(code: str) -> str:
    return f"<thought> Let us see. </thought>\n<execute>\n{code}\n</execute>"
