"""What `lemur rescore` prints: a table for each setting, what `strict` changes, what differs from the record."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lemur.agents.published.folders import Setting, find, items_below
from lemur.agents.published.rescore import Scored, changes, disagreements, rescore
from lemur.agents.published.tables import Runs, cells, rate, reasons_by_task
from lemur.agents.published.trajectories import read
from lemur.core.records import Record

COLUMNS = ("recorded", "paper", "strict")
ANSWER_CHARACTERS = 60


def rescored(folder: Path, items: Path | None = None) -> dict[Setting, list[Scored]]:
    """All trajectories below `folder` with new verdicts. Raises `ValueError`, which names file and line."""
    given = items_below(items) if items is not None else None
    recorded = [(log.setting, one) for log in find(folder) for one in read(log.path, log.task, given)]
    runs: dict[Setting, list[Scored]] = {}
    for (setting, _), scored in zip(recorded, rescore([one for _, one in recorded]), strict=True):
        runs.setdefault(setting, []).append(scored)
    return runs


def lines(runs: Runs) -> Iterator[str]:
    for setting, scored in sorted(runs.items()):
        yield from _run(setting, scored)


def _run(setting: Setting, scored: Sequence[Scored]) -> Iterator[str]:
    yield f"{setting.model}, {_described(setting)}"
    yield f"{'':12}{'items':>6}" + "".join(f"{column:>16}" for column in COLUMNS) + f"{'changed':>9}"
    for name, cell in cells(scored).items():
        yield f"{name:12}{cell['items']:6}" + "".join(_number(cell, column) for column in COLUMNS) + _changed(cell)
    for reason in sorted({one.skipped for one in scored if one.skipped}):
        yield f"Programs were not run: {reason}"
    for task, counts in reasons_by_task(changes(scored)).items():
        yield f"strict, {task}: " + "; ".join(f"{number} {why}" for why, number in counts.items())
    differing = disagreements(scored)
    yield f"Verdicts that differ from the record: {len(differing) or 'none'}"
    for row in differing:
        answers = " | ".join(repr(answer)[:ANSWER_CHARACTERS] for answer in row["answers"])
        verdicts = f"recorded {row['recorded']}, now {row['ours']}"
        yield f"  {row['where']}: {row['id']}, {row['rule']}: {verdicts} ({row['why']}): {answers}"
    yield ""


def _described(setting: Setting) -> str:
    feedback = "no feedback" if setting.feedback == "none" else f"feedback of {setting.feedback} {setting.form}".strip()
    return f"{feedback}, {setting.turns} turns, {setting.proposals} proposals" if setting.turns else feedback


def _number(cell: Record, column: str) -> str:
    percent = rate(cell, column)
    return f"{'unknown':>16}" if percent is None else f"{cell[column]:>7} ({percent:6.2f})"


def _changed(cell: Record) -> str:
    unknown = f"  ({cell['unknown']} unknown)" if cell["unknown"] else ""
    faults = f"  ({cell['faults']} faults of the environment left out)" if cell["faults"] else ""
    return f"{cell['changed']:>9}{unknown}{faults}"
