"""Samples and episodes in the format of the evaluations."""

from pathlib import Path
from typing import Any

from lemur.agents.episodes.environment import Action, Step
from lemur.agents.episodes.episode import Episode, Turn
from lemur.core.records import Record, write_jsonl


def turn(answer: str, observation: str = "", kind: str = "tool", **rest: Any) -> Turn:
    step = Step(Action(kind, answer), observation, rest.pop("solved", {}), rest.pop("ended", None), {"turns": 3})
    return Turn(answer, "stop", step, tokens={"prompt": 120, "answer": 7}, **rest)


def episode(
    name: str, turns: list[Turn], paper: bool = False, strict: bool = False, prompt: str = "Task:\n1 + 1?", **rest: Any
) -> Record:
    ended = rest.pop("ended", "solved" if paper else "turns")
    made = Episode(name, [{"role": "user", "content": prompt}], tuple(turns), ended, rest.pop("fault", None))
    more = {"task": name.partition("/")[0], "group": "reasoning", "reference": "2", **rest}
    return {**made.record(), **more, "solved": {"paper": paper, "strict": strict}}


THINKS = "<thought>\nAdd them.\n</thought>\n<execute>\nprint(1 + 1)  # two\n</execute>"
PROPOSES = "<thought>\nIt is 2.\n</thought>\n<solution>\n2\n</solution>"
SOLVED = episode(
    "gsm8k/0",
    [
        turn(THINKS, "2\n", message="Observation:\n2\nYou have 4 steps left", feedback="Go on."),
        turn(PROPOSES, kind="solution", solved={"paper": True, "strict": True}, ended="solved"),
    ],
    paper=True,
    strict=True,
)
LUCKY = episode("mmlu/3", [turn(PROPOSES, kind="solution", solved={"paper": True, "strict": False})], paper=True)
FAILED = episode("gsm8k/1", [turn("I do not know.", kind="invalid")] * 2, ended="proposals")
FAULT = episode("gsm8k/2", [], ended="fault", fault="the sandbox did not start")
EPISODES = [SOLVED, LUCKY, FAILED, FAULT]
SAMPLE: Record = {
    "id": "HumanEval/0",
    "prompt": "def add(a, b):\n",
    "output": "    return a + b\n",
    "extraction": {"paper": "    return a + b\n", "strict": "    return a + b"},
    "correct": {"paper": True, "strict": False},
    "verdict": {
        "paper": {"status": "passed", "detail": ""},
        "strict": {"status": "failed", "detail": "SyntaxError: <line 1>"},
    },
    "finish": "stop",
}
CHOICE: Record = {
    "id": "test/astronomy_test.csv:1",
    "prompt": "Which?\nAnswer:",
    "extraction": "A",
    "target": "B",
    "correct": False,
    "subject": "astronomy",
    "logprobs": {" A": -1.25, " B": -2.5},
}
BITS: Record = {"id": "arxiv-1", "bits": 12.0, "bytes": 8, "tokens": 3, "source": "arxiv"}


def write(folder: Path, **records: list[Record]) -> Path:
    """Samples files of model lemur, by benchmark."""
    for benchmark, lines in records.items():
        write_jsonl(folder / "lemur" / f"{benchmark}.jsonl", lines)
    return folder
