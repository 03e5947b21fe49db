"""The first message of every task is, to the letter, the one that the published models read."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lemur.agents import alfworld, mint
from lemur.agents.dialogue.texts import read_texts
from lemur.agents.python_cells import record
from lemur.benchmark_items.alfworld import read
from lemur.core.records import Record
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable
from tests.agents.actors import ACT, SEARCH

Source = Callable[..., Path]
LEMUR = "mint/outputs_lemur-70b-chat-v1"
FEEDBACK = "F=gpt-4-0613/PHF=no_GT-textual/max5_p2+tool+cd"


def published(pattern: str) -> Iterator[tuple[str, Record]]:
    """(task, row) of a folder of published results."""
    for path in sorted(Path(os.environ["LEMUR_MIRROR"], LEMUR).glob(f"{pattern}/*/*/results.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield path.parent.name, json.loads(line)


@pytest.mark.parametrize(
    ("pattern", "turns"), [*((f"F=None/max{k}_p{min(k, 2)}+tool+cd", k) for k in range(1, 6)), (FEEDBACK, 5)]
)
def test_first_messages_of_mint(pattern: str, turns: int, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = source("mint", "mirror")
    fetched = load(folder)
    params = mint.Params.model_validate(ACT | SEARCH | {"turns": [turns], "recorded": False, "behind": "none"})
    setting = mint.Setting(params, fetched, with_feedback=pattern == FEEDBACK)
    worlds = {each.world.id: each.world for each in setting.assignments(mint.read_tasks(fetched))}
    checked = 0
    for task, row in published(pattern):
        if task == "alfworld":
            continue
        (message,) = worlds[f"{task}/{row['task']['task_id']}"].open().reset()
        assert message == row["state"]["history"][0], f"{task} {row['task']['task_id']}"
        checked += 1
    assert checked == 452


def test_first_messages_of_alfworld(source: Source) -> None:
    """With the rooms as this project's own engine describes them."""
    texts = read_texts(load(source("mint", "mirror")))
    games = load(source("alfworld", "mirror"))
    params = alfworld.Params.model_validate(ACT | {"engine": "household"})
    setting = alfworld.Setting(params, texts, record({"engine": "household"}))
    worlds = {
        game.where: alfworld.HouseholdWorld(setting, game, params.limits(5), "")
        for file in games.files
        for game in readable(read(file))
    }
    checked = 0
    for task, row in published("F=None/max5_p2+tool+cd"):
        if task == "alfworld":
            (message,) = worlds[row["task"]["task_id"]].open().reset()
            assert message == row["state"]["history"][0], row["task"]["task_id"]
            checked += 1
    assert checked == 134
