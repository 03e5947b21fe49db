"""Finds recorded trajectories below a folder, and reads from their paths with what settings they were made."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lemur.benchmark_items.mint import COUNTS, Task, read
from lemur.sources.fetched import FetchedFile, load
from lemur.sources.reading.rows import readable

PUBLISHED = "results.jsonl"
OWN = ("mint.jsonl", "mint_feedback.jsonl", "alfworld.jsonl")
FORM = "no_GT-textual"
"""The paper's form of feedback: in words, from a teacher that does not know the answer."""
_LIMITS = re.compile(r"max(\d+)_p(\d+)")


@dataclass(frozen=True, order=True)
class Setting:
    """`feedback`: the teacher's name, "none" without one. `turns`, `proposals`: the limits; 0 if unknown."""

    model: str
    feedback: str = "none"
    form: str = ""
    turns: int = 0
    proposals: int = 0


@dataclass(frozen=True)
class Log:
    path: Path
    setting: Setting
    task: str | None
    """`None` for a file of episodes that name their tasks."""


def find(folder: Path) -> list[Log]:
    """All logs below `folder`, or in that file, by setting and task. Raises `ValueError` if there are none."""
    files = [folder] if folder.is_file() else (path for name in (PUBLISHED, *OWN) for path in folder.rglob(name))
    logs = [log_of(path) for path in files]
    if not logs:
        raise ValueError(
            f"{folder}: no trajectories; expected below it are MINT's F=.../max5_p2+.../TYPE/TASK/{PUBLISHED}, or this "
            f"project's {', '.join(OWN)}"
        )
    return sorted(logs, key=lambda log: (log.setting, log.task or "", log.path.name))


def log_of(path: Path) -> Log:
    """The settings that a path names: MODEL/F=none or teacher/PHF=form/max5_p2+tool+cd/TYPE/TASK/results.jsonl."""
    parts = path.resolve().parts
    feedback = next((place for place, part in enumerate(parts) if part.startswith("F=")), None)
    if path.name != PUBLISHED or feedback is None:
        task = path.parent.name if path.parent.name in COUNTS else None
        feedback_of_ours = "teacher" if path.stem.endswith("_feedback") else "none"
        return Log(path, Setting(path.parent.name, feedback_of_ours), task)
    teacher = parts[feedback].removeprefix("F=")
    form = next((part.removeprefix("PHF=") for part in parts[feedback:] if part.startswith("PHF=")), "")
    limits = next((match for part in parts[feedback:] if (match := _LIMITS.match(part))), None)
    turns, proposals = (int(limits[1]), int(limits[2])) if limits else (0, 0)
    model = parts[feedback - 1].removeprefix("outputs_")
    return Log(path, Setting(model, teacher.replace("None", "none"), form, turns, proposals), path.parent.name)


def items_below(folder: Path) -> dict[str, Task]:
    """Items by id, of a fetched source or of a folder with TASK/test_prompts.json. Raises `ValueError`."""
    if (folder / "source.json").is_file():
        files: Iterable[FetchedFile] = [file for file in load(folder).files if file.name.endswith("test_prompts.json")]
    else:
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("test_prompts.json"))
        files = [FetchedFile(folder, name, "mint", "", {}) for name in names]
    items = {item.id: item for file in files for item in readable(read(file))}
    if not items:
        raise ValueError(f"{folder}: no items; expected below it are TASK/test_prompts.json, or a fetched source mint")
    return items
