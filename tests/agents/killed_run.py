"""A run that a test kills: `python -m tests.agents.killed_run mint|alfworld SOURCE TEXTS FOLDER`, with slow answers."""

import sys
import time
from pathlib import Path
from unittest.mock import patch

from lemur.agents import alfworld, mint
from lemur.evaluation.harness import result
from lemur.inference.answer_cache import CachedModel
from lemur.sources.fetched import load
from tests.agents.actors import ACT, SEARCH, Actor, proposes, runs
from tests.evaluation.conftest import Oracle


def main(stage: str, source: Path, texts: Path, folder: Path) -> None:
    """Each answer takes 30 ms, each of three cells some more."""
    result.NOTES = folder / "notes"

    def slowly(answer: str) -> str:
        time.sleep(0.03)
        return answer

    outputs = {"result": folder / "result.json", "samples": folder / "samples.jsonl"}
    if stage == "mint":
        cells = ["import random\nx = random.random()", "print(x)", "x + 1"]
        actor: Oracle = Actor(
            mint.read_tasks(load(source)),
            lambda task, turn: slowly(runs(cells[turn]) if turn < 3 else proposes(task.solution)),
        )
        with patch.object(mint, "open_model", lambda *_: CachedModel(actor, folder / "answers.jsonl", portion=4)):
            params = mint.Params.model_validate(ACT | SEARCH | {"limit": 2})
            mint.mint(params, Path("model"), source, **outputs)
    else:
        cells = ["print(look())", "r = goto('drawer 1'); print(r)", "print(open_receptacle('drawer 1'))", "print(r)"]
        actor = Oracle(lambda prompt: slowly(runs(cells[prompt.count("[assistant]") % 4])), context_length=1 << 20)
        with patch.object(alfworld, "open_model", lambda *_: CachedModel(actor, folder / "answers.jsonl", portion=4)):
            params = alfworld.Params.model_validate(ACT | {"engine": "household"})
            alfworld.alfworld(params, Path("model"), source, texts, **outputs)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
