"""ALFWorld: text games of household tasks, each with a plan that wins it (Shridhar et al. 2021; MINT's 134 games)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lemur.sources.fetched import BadRecord, FetchedFile

KINDS = {
    "pick_and_place": "put",
    "pick_clean_then_place": "clean",
    "pick_heat_then_place": "heat",
    "pick_cool_then_place": "cool",
    "look_at_obj": "examine",
    "pick_two_obj": "puttwo",
}
"""MINT's name for a kind of task, by how the name of the game's folder starts; also of its in-context example."""


@dataclass(frozen=True)
class Household:
    """A game. `where`: its id, the names of its two folders, such as pick_and_place_simple-Watch-None-Safe-219/
    trial_T20190907_074556_124850. `kind`: put, clean, heat, cool, examine or puttwo. `plan`: calls that win it, with
    what the game says to each."""

    where: str
    kind: str
    path: Path
    sha256: str
    plan: str


def read(file: FetchedFile) -> Iterator[Household | BadRecord]:
    """The game in a file game.tw-pddl, with the plan beside it, gt_traj.txt. A game without one cannot be won and is
    left out: ALFWorld has 61 such games in valid_unseen."""
    plan = file.path.with_name("gt_traj.txt")
    if not plan.is_file():
        return
    where = "/".join(Path(file.name).parts[-3:-1])
    kind = next((kind for start, kind in KINDS.items() if where.startswith(start)), None)
    if kind is None:
        yield BadRecord(file.name, "wrong_type", f"its folder's name must start with one of {', '.join(KINDS)}")
        return
    try:
        yield Household(where, kind, file.path, file.sha256, plan.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        yield BadRecord(plan.name, "not_utf8", str(error))
