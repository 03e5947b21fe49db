"""Runs inside the sandbox: answers SQL statements on SQLite databases, one JSON object a line.

A question is {database, statement, steps, rows}, an answer {rows} or {error}."""

import json
import sqlite3
import sys


def answer(question: dict[str, object]) -> dict[str, object]:
    from sql_judge import connect  # lies beside this file in the sandbox

    try:
        connection = connect(f"{question['database']}.sqlite", question["steps"])
        try:
            rows = connection.execute(question["statement"]).fetchmany(question["rows"])
        finally:
            connection.close()
        return {"rows": [[cell.hex() if isinstance(cell, bytes) else cell for cell in row] for row in rows]}
    except (sqlite3.Error, sqlite3.Warning, MemoryError, OverflowError, ValueError) as error:
        return {"error": str(error) or type(error).__name__}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
