"""The stage `published_intercode`: the published numbers from the logs alone."""

from collections.abc import Callable
from pathlib import Path

from lemur.agents import published_intercode as stage
from lemur.core.records import Record, read_json


def scores(source: Path, folder: Path) -> Record:
    stage.published_intercode(stage.Params(), source, result=folder / "result.json")
    return dict(read_json(folder / "result.json"))


def test_the_logs_give_the_published_numbers(source: Callable[..., Path], tmp_path: Path) -> None:
    """Table 5: 72.82 in IC-SQL; Figure 4."""
    logs = scores(source("intercode", "mirror"), tmp_path)["logs"]
    assert {name: (log["solved"], log["episodes"]) for name, log in logs.items()} == {
        "intercode_sql/gpt-3.5": (753, 1034),
        "intercode_bash/fs_1/gpt-3.5": (27, 60),
        "intercode_bash/fs_3/gpt-3.5": (27, 60),
        "intercode_bash/fs_4/gpt-3.5": (13, 27),
    }
    curve = [round(100 * share, 2) for share in logs["intercode_sql/gpt-3.5"]["by_turns"]]
    assert curve[:7] == [67.99, 71.08, 72.24, 72.34, 72.73, 72.73, 72.82]
    assert len(curve) == 10


def test_a_source_without_logs_has_the_reason(source: Callable[..., Path], tmp_path: Path) -> None:
    assert scores(source("intercode"), tmp_path) == {
        "skipped": "source intercode of place bundled has no published episodes"
    }
