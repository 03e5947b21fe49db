"""Runs inside the sandbox: compares the results of a predicted and a gold SQL query on SQLite databases.

The rules are those of the official test-suite evaluator (Zhong et al. 2020): rows are a bag unless the gold query has
ORDER BY, and columns may come in another order. Work is limited in SQLite's own steps, and in cells compared while
matching columns, and the clock is frozen, so the verdict is the same on every machine.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import Any

STEPS_AT_ONCE = 100_000
MATCHING_STEPS = 10_000_000
"""Cells that the search for an order of the columns may look at, for all comparisons of a query: some ten seconds."""
NOW = "2023-10-10 00:00:00"
READ_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
NONDETERMINISTIC = {"random", "randomblob", "load_extension", "sqlite_version", "sqlite_source_id"}
Rows = list[tuple[Any, ...]]


def connect(database: str, steps: int) -> sqlite3.Connection:
    """A read-only connection that ends a query with an error after `steps` steps."""
    connection = sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda raw: raw.decode(errors="ignore")
    plain, steps_left = sqlite3.connect(":memory:"), [steps]

    def frozen(name: str) -> Any:
        def call(*arguments: Any) -> Any:
            values = [NOW if str(value).lower() == "now" else value for value in arguments]
            # Without a time these functions use the current one; strftime's first argument is its format.
            values += [NOW] if len(values) == (name == "strftime") else []
            return plain.execute(f"SELECT {name}({', '.join('?' * len(values))})", values).fetchone()[0]

        return call

    for name in ("date", "time", "datetime", "julianday", "unixepoch", "strftime"):
        connection.create_function(name, -1, frozen(name))
    for name, value in (("current_date", NOW[:10]), ("current_time", NOW[11:]), ("current_timestamp", NOW)):
        connection.create_function(name, 0, lambda value=value: value)

    def allow(action: int, _: str | None, name: str | None, *__: str | None) -> int:
        denied = action == sqlite3.SQLITE_FUNCTION and str(name).lower() in NONDETERMINISTIC
        return sqlite3.SQLITE_OK if action in READ_ACTIONS and not denied else sqlite3.SQLITE_DENY

    def tick() -> bool:
        steps_left[0] -= STEPS_AT_ONCE
        return steps_left[0] < 0

    connection.set_authorizer(allow)
    connection.set_progress_handler(tick, STEPS_AT_ONCE)
    return connection


class Undecided(Exception):
    """The search for an order of the columns took too many steps."""


class Colouring:
    """Sorts the columns and rows of two tables into classes by what they hold, jointly, to match their columns.

    Columns that an order could map to each other are always in one class (colour refinement; McKay 1981). The budget
    counts cells looked at.
    """

    def __init__(self, tables: tuple[Rows, Rows], budget: list[int]) -> None:
        ids: dict[Any, int] = {}
        self.cells = [[[ids.setdefault(value, len(ids)) for value in row] for row in table] for table in tables]
        self.budget = budget

    def refine(self, columns: list[list[int]]) -> list[list[int]] | None:
        """Finer classes of the columns of both tables, as far as they follow; `None` if the tables cannot match."""
        rows = [[0] * len(table) for table in self.cells]
        while True:
            self.budget[0] -= 4 * len(rows[0]) * len(columns[0])
            if self.budget[0] < 0:
                raise Undecided
            classes = [len(set(columns[0])), len(set(rows[0]))]
            rows = numbered(
                [
                    (old, *sorted(zip(columns[side], row, strict=True)))
                    for old, row in zip(rows[side], self.cells[side], strict=True)
                ]
                for side in (0, 1)
            )
            columns = numbered(
                [
                    (old, *sorted(zip(rows[side], column, strict=True)))
                    for old, column in zip(columns[side], zip(*self.cells[side], strict=True), strict=True)
                ]
                for side in (0, 1)
            )
            if any(Counter(colours[0]) != Counter(colours[1]) for colours in (rows, columns)):
                return None
            if classes == [len(set(columns[0])), len(set(rows[0]))]:
                return columns

    def match(self, columns: list[list[int]]) -> bool:
        """Whether an order of the columns exists that keeps them in their classes."""
        refined = self.refine(columns)
        if refined is None:
            return False
        sizes = Counter(refined[0])
        shared = [colour for colour, size in sizes.items() if size > 1]
        if not shared:
            return True  # the rows have equal classes, and each class is one content
        colour = min(shared, key=lambda each: (sizes[each], each))
        chosen = refined[0].index(colour)
        tried: set[tuple[int, ...]] = set()
        for candidate, other in enumerate(refined[1]):
            content = tuple(row[candidate] for row in self.cells[1])
            if other == colour and content not in tried:
                tried.add(content)
                new = [list(colours) for colours in refined]
                new[0][chosen] = new[1][candidate] = -1
                if self.match(new):
                    return True
        return False


def numbered(keys: Iterable[list[Any]]) -> list[list[int]]:
    """Each key as a number, equal for equal keys of both tables."""
    ids: dict[Any, int] = {}
    return [[ids.setdefault(key, len(ids)) for key in side] for side in keys]


def equivalent(gold: Rows, predicted: Rows, ordered: bool, budget: list[int] | None = None) -> bool | None:
    """Whether reordering the columns (and, unless `ordered`, the rows) turns `predicted` into `gold`; `None` if that
    takes more steps than the budget, which it lowers by what it takes."""
    if not gold or not predicted:
        return not gold and not predicted
    width = len(gold[0])
    if len(gold) != len(predicted) or len(predicted[0]) != width:
        return False
    if ordered:
        return Counter(zip(*gold, strict=True)) == Counter(zip(*predicted, strict=True))
    target = Counter(gold)
    if Counter(predicted) == target:
        return True
    contents = [
        [frozenset(Counter(column).items()) for column in zip(*table, strict=True)] for table in (gold, predicted)
    ]
    if Counter(contents[0]) != Counter(contents[1]):
        return False
    columns = numbered(contents)
    order = sorted(range(width), key=columns[1].__getitem__)
    places = sorted(range(width), key=columns[0].__getitem__)
    source = dict(zip(places, order, strict=True))
    if Counter(tuple(row[source[column]] for column in range(width)) for row in predicted) == target:
        return True
    if len(set(columns[0])) == width:
        return False  # there was only this order
    try:
        return Colouring((gold, predicted), budget or [MATCHING_STEPS]).match(columns)
    except (Undecided, MemoryError, RecursionError):
        return None


def judge(question: dict[str, Any], budget: list[int] | None = None) -> dict[str, Any]:
    """`question`: gold, predicted, ordered, databases, steps. Returns `equal`, one verdict per database up to the first
    error (`None`: undecided), and the prediction's `error`. Raises `ValueError` if the gold query itself fails."""
    equal: list[bool | None] = []
    for database in question["databases"]:
        try:
            gold = connect(database, question["steps"]).execute(question["gold"]).fetchall()
        except sqlite3.Error as error:
            raise ValueError(f"the gold query fails on {database}: {error}") from None
        try:
            predicted = connect(database, question["steps"]).execute(question["predicted"]).fetchmany(len(gold) + 1)
        except Exception as error:  # of any kind: the query is to blame
            return {"equal": [*equal, False], "error": (str(error) or type(error).__name__)[:200]}
        equal.append(equivalent(gold, predicted, question["ordered"], budget))
    return {"equal": equal, "error": ""}


if __name__ == "__main__":
    with open("question.json", encoding="utf-8") as file:
        questions = json.load(file)
    left = [MATCHING_STEPS]
    print(json.dumps([judge(question, left) for question in questions]))
