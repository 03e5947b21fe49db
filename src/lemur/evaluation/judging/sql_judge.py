"""Runs inside the sandbox: compares the results of a predicted and a gold SQL query on SQLite databases.

The rules are those of the official test-suite evaluator (Zhong et al. 2020): rows are a bag unless the gold query has
ORDER BY, and columns may come in another order. Work is limited in SQLite's own steps and the clock is frozen, so the
verdict is the same on every machine.
"""

import json
import sqlite3
from collections import Counter
from typing import Any

STEPS_AT_ONCE = 100_000
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


def equivalent(gold: Rows, predicted: Rows, ordered: bool) -> bool:
    """Whether reordering the columns (and, unless `ordered`, the rows) turns `predicted` into `gold`."""
    if not gold or not predicted:
        return not gold and not predicted
    width = len(gold[0])
    if len(gold) != len(predicted) or len(predicted[0]) != width:
        return False
    gold_columns = [Counter(row[column] for row in gold) for column in range(width)]
    columns = [Counter(row[column] for row in predicted) for column in range(width)]
    target = gold if ordered else Counter(gold)

    def fits(order: list[int]) -> bool:
        if len(order) == width:
            rows = [tuple(row[column] for column in order) for row in predicted]
            return (rows if ordered else Counter(rows)) == target
        tried: set[tuple[Any, ...]] = set()
        for column in range(width):
            values = tuple(row[column] for row in predicted)
            if column not in order and values not in tried and columns[column] == gold_columns[len(order)]:
                tried.add(values)
                if fits([*order, column]):
                    return True
        return False

    return fits([])


def judge(question: dict[str, Any]) -> dict[str, Any]:
    """`question`: gold, predicted, ordered, databases, steps. Returns `equal`, one verdict per database up to the first
    error, and the prediction's `error`. Raises `ValueError` if the gold query itself fails."""
    equal: list[bool] = []
    for database in question["databases"]:
        try:
            gold = connect(database, question["steps"]).execute(question["gold"]).fetchall()
        except sqlite3.Error as error:
            raise ValueError(f"the gold query fails on {database}: {error}") from None
        try:
            predicted = connect(database, question["steps"]).execute(question["predicted"]).fetchmany(len(gold) + 1)
        except Exception as error:  # of any kind: the query is to blame
            return {"equal": [*equal, False], "error": (str(error) or type(error).__name__)[:200]}
        equal.append(equivalent(gold, predicted, question["ordered"]))
    return {"equal": equal, "error": ""}


if __name__ == "__main__":
    with open("question.json", encoding="utf-8") as file:
        questions = json.load(file)
    print(json.dumps([judge(question) for question in questions]))
