"""Cells of MINT's published trajectories, run again: the observations are the recorded ones."""

import json
import os
import re
from itertools import pairwise
from pathlib import Path

import pytest

from lemur.sandbox.sessions.session import Session
from tests.sandbox.sessions.tools import NEEDED

MIRROR = os.environ.get("LEMUR_MIRROR")
LEFT = re.compile(r"\nYou have \d+ steps left and .*\Z", re.DOTALL)
# What depends on tools, the network, the clock, or the version of Python and of libraries.
OTHERWISE = re.compile(r"wikipedia|import|input\(|time\b|^!|SyntaxError|UnboundLocalError|Timed out", re.MULTILINE)


def episodes(task: str) -> list[list[tuple[str, str]]]:
    """Cell and recorded observation of each tool call, of Lemur's episodes that consist of plain Python."""
    path = Path(str(MIRROR), "mint/outputs_lemur-70b-chat-v1/F=None/max5_p2+tool+cd", task, "results.jsonl")
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        history = json.loads(line)["state"]["history"]
        cells = []
        for turn, answer in pairwise(history):
            code = "\n".join(
                each.strip() for each in re.findall(r"<execute>(.*?)</execute>", turn["content"], re.DOTALL)
            )
            if turn["role"] == "assistant" and "<solution>" not in turn["content"] and code:
                cells.append((code, LEFT.sub("", answer["content"].removeprefix("Observation:\n"))))
        if cells and not any(OTHERWISE.search(text) for cell in cells for text in cell):
            kept.append(cells)
    return kept


@NEEDED
@pytest.mark.skipif(not MIRROR, reason="LEMUR_MIRROR names no mirror of the published files")
@pytest.mark.parametrize("task", ["reasoning/gsm8k", "code_generation/humaneval", "code_generation/mbpp"])
def test_observations_are_the_recorded_ones(task: str) -> None:
    chosen = episodes(task)[:8]
    assert chosen
    for cells in chosen:
        with Session({}) as session:
            for code, recorded in cells:
                assert session.run(code).text.strip() == recorded.strip(), code
