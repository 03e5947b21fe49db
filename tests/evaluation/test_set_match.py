"""Spider's exact set match and hardness, with verdicts of the official evaluator (taoyds/test-suite-sql-eval)."""

import json
from collections import Counter
from pathlib import Path

import pytest

from lemur.benchmark_items.spider import Catalogue, catalogue, connected, read, read_databases
from lemur.evaluation.judging.set_match import exact_set_match, hardness
from lemur.evaluation.judging.spider_sql import Column, Condition, Expression, parse, tokenise
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import BUNDLED, file

PETS = Catalogue(
    {"student": ("id", "name", "age"), "has": ("sid", "pid"), "pet": ("id", "kind", "age", "value")},
    {"student.id": "student.id", "has.sid": "student.id", "has.pid": "has.pid", "pet.id": "has.pid"},
)
JOIN = "FROM student AS T1 JOIN has AS T2 ON T1.id = T2.sid"
DEEP = "SELECT name FROM student WHERE id IN (SELECT sid FROM has WHERE pid = 3)"


@pytest.mark.parametrize(
    ("gold", "predicted", "match"),
    [
        ("SELECT name, age FROM student", "SELECT age , NAME from Student;", True),
        ("SELECT name FROM student", "SELECT name, name FROM student", False),
        ("SELECT DISTINCT name FROM student", "SELECT name FROM student", True),
        ("SELECT count(*) FROM student", "SELECT count(id) FROM student", False),
        ("SELECT max(age) FROM student", "SELECT min(age) FROM student", False),
        ("SELECT name FROM student WHERE age > 3", "SELECT name FROM student WHERE age > 'x'", True),
        ("SELECT name FROM student WHERE age > 3", "SELECT name FROM student WHERE age >= 3", False),
        ("SELECT name FROM student WHERE age >= 3", "SELECT name FROM student WHERE age > = 3", True),
        ("SELECT name FROM student WHERE age > 3", "SELECT name FROM student WHERE age>3", True),
        ("SELECT name FROM student WHERE age = 3", "SELECT name FROM student WHERE age=3", False),  # one word for it
        ("SELECT id FROM pet WHERE age > 1 AND id < 2", "SELECT id FROM pet WHERE id < 7 AND age > 2", True),
        ("SELECT id FROM pet WHERE age > 1 AND id < 2", "SELECT id FROM pet WHERE id < 7 OR age > 2", False),
        ("SELECT id FROM pet WHERE age BETWEEN 1 AND 2", "SELECT id FROM pet WHERE age between 3 and 4", True),
        ("SELECT id FROM pet WHERE kind LIKE '%a, b%'", 'SELECT id FROM pet WHERE kind LIKE "(x"', True),
        ("SELECT id FROM pet WHERE kind LIKE 'a'", "SELECT id FROM pet WHERE kind NOT LIKE 'a'", False),
        ("SELECT kind FROM pet ORDER BY age LIMIT 1", "SELECT kind FROM pet ORDER BY age ASC LIMIT 5", True),
        ("SELECT kind FROM pet ORDER BY age DESC", "SELECT kind FROM pet ORDER BY age", False),
        ("SELECT kind FROM pet ORDER BY age LIMIT 1", "SELECT kind FROM pet ORDER BY age", False),
        ("SELECT kind FROM pet ORDER BY age, id", "SELECT kind FROM pet ORDER BY id, age", False),
        ("SELECT kind FROM pet ORDER BY age ASC, id DESC", "SELECT kind FROM pet ORDER BY age DESC, id DESC", True),
        ("SELECT kind FROM pet GROUP BY kind HAVING count(*) > 1", "SELECT kind FROM pet GROUP BY kind", False),
        ("SELECT kind FROM pet GROUP BY kind HAVING count(*) > 1",
         "SELECT kind FROM pet GROUP BY kind HAVING count ( * ) > 9", True),
        (f"SELECT T1.name {JOIN}", "SELECT a.name FROM has AS b JOIN student AS a ON b.sid = a.id", True),
        (f"SELECT T1.name {JOIN} WHERE T1.id = 1", f"SELECT T1.name {JOIN} WHERE T2.sid = 1", True),
        (f"SELECT T1.name {JOIN} GROUP BY T1.id", f"SELECT T1.name {JOIN} GROUP BY T2.sid", True),
        ("SELECT id FROM student", "SELECT sid FROM has", False),
        (f"SELECT T1.name {JOIN}", "SELECT name FROM student", False),
        (f"SELECT T1.name {JOIN}", f"SELECT T1.name {JOIN.replace(' ON T1.id = T2.sid', '')}", True),
        (f"SELECT T1.name {JOIN}", f"SELECT T1.name {JOIN.replace('JOIN', 'LEFT JOIN')}", False),
        (f"SELECT T1.name {JOIN}", f"SELECT T1.name {JOIN.replace('AS ', '')}", False),
        (DEEP, DEEP.replace("3", "5"), True),
        (DEEP, DEEP.replace("SELECT sid", "SELECT DISTINCT sid"), False),
        (DEEP, DEEP.replace("IN", "NOT IN"), False),
        ("SELECT id FROM pet UNION SELECT sid FROM has", "SELECT id FROM pet UNION SELECT sid FROM has", True),
        ("SELECT id FROM pet UNION SELECT sid FROM has", "SELECT sid FROM has UNION SELECT id FROM pet", False),
        ("SELECT id FROM pet UNION SELECT sid FROM has", "SELECT id FROM pet EXCEPT SELECT sid FROM has", False),
        ("SELECT id FROM pet UNION SELECT sid FROM has", "SELECT id FROM pet UNION ALL SELECT sid FROM has", False),
        ("SELECT count(*) FROM (SELECT id FROM pet WHERE age = 1)",
         "SELECT count(*) FROM (SELECT id FROM pet WHERE age = 1)", True),
        ("SELECT count(*) FROM (SELECT id FROM pet WHERE age = 1)",
         "SELECT count(*) FROM (SELECT id FROM pet WHERE age = 2)", False),  # values in FROM count
        ("SELECT age - id FROM pet", "SELECT age - id FROM pet LIMIT", False),
        ("SELECT age - id FROM pet", "SELECT age - id FROM pet where", True),  # nothing after WHERE
        ("SELECT kind FROM pet", "SELECT kind FROM pet WHERE value > 1", False),
        ("SELECT kind FROM pet WHERE value > 1", "SELECT kind FROM pet WHERE value > 1", False),  # `value` becomes 1
        ("SELECT kind FROM pet", "SELECT kind AS k FROM pet", False),
        ("SELECT kind FROM pet", "SELECT `kind` FROM pet", False),
        ("SELECT kind FROM pet", "SELECT pet.kind FROM pet", True),
        ("SELECT kind FROM pet", "SELECT kind FROM pet OFFSET", False),
        ("SELECT kind FROM pet", "SELECT kind FROM pet; DROP TABLE pet", True),  # what follows is ignored
        ("SELECT kind FROM pet", "", False),
        ("SELECT kind FROM pet", "SELECT 'a FROM pet", False),
        ("SELECT kind FROM pet", "SELECT kind FROM " + "(SELECT kind FROM " * 3000, False),
        ("SELECT no FROM pet", "SELECT kind FROM pet", None),
    ],
)  # fmt: skip
def test_golden_pairs(gold: str, predicted: str, match: bool | None) -> None:
    assert exact_set_match(gold, predicted, PETS) is match


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ("SELECT name FROM student", "easy"),
        ("SELECT count(*) FROM student WHERE age > 1", "easy"),
        ("SELECT name, age FROM student", "medium"),
        ("SELECT name FROM student WHERE age > 1 AND id < 3", "medium"),
        (f"SELECT T1.name {JOIN} WHERE T1.age > 1", "medium"),
        ("SELECT name FROM student ORDER BY age LIMIT 1", "medium"),
        (f"SELECT T1.name {JOIN} GROUP BY T1.id ORDER BY count(*)", "hard"),
        (DEEP, "hard"),
        ("SELECT id FROM pet EXCEPT SELECT sid FROM has", "hard"),
        (DEEP + " AND age > 3", "extra"),
        (f"SELECT T1.name {JOIN} GROUP BY T1.id ORDER BY count(*) LIMIT 1", "extra"),
        ("SELECT name FROM student WHERE age > 1 OR name LIKE 'a' OR name LIKE 'b'", "extra"),
        ("SELECT kind FROM pet GROUP BY kind HAVING count(*) > 1", "easy"),
        ("SELECT kind FROM pet GROUP BY kind HAVING count(*) > 1 AND max(age) > 1 AND min(age) > 1", "medium"),
        ("SELECT avg(age), max(age), kind FROM pet GROUP BY kind, id", "hard"),
    ],
)
def test_hardness(query: str, level: str) -> None:
    assert hardness(query, PETS) == level


def test_the_parts_of_a_query() -> None:
    query = parse("SELECT DISTINCT T1.name FROM student AS T1 WHERE T1.age NOT IN (1) ORDER BY max(age) DESC", PETS)
    assert query.distinct and query.tables == ("student",) and query.order and query.order[0] == "desc"
    assert query.where == (
        Condition(True, "in", Expression("none", Column("none", "student.age", False), None), 1.0, None),
    )
    assert tokenise("count(*)>=1,'A b',x.") == ["count", "(", "*", ")", ">", "=1", ",", '"A b"', ",", "x", "."]


def test_the_catalogue_of_a_database(tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(tmp_path / "x.sqlite")
    connection.executescript(
        "CREATE TABLE A (Id INTEGER PRIMARY KEY, B TEXT); CREATE TABLE C (Aid REFERENCES A, B REFERENCES a(b), D);"
    )
    connection.close()
    with connected((tmp_path / "x.sqlite").read_bytes()) as connection:
        made = catalogue(connection)
    assert made.tables == {"a": ("id", "b"), "c": ("aid", "b", "d")}
    assert made.keys == {"a.id": "a.id", "c.aid": "a.id", "a.b": "a.b", "c.b": "a.b"}


def verdicts(root: Path, pattern: str) -> tuple[list[bool | None], Counter[str | None]]:
    databases = read_databases(file(path, "spider", database=path.parent.name) for path in sorted(root.glob(pattern)))
    questions = readable(read(file(root / "dev.json", "spider")))
    matches = [exact_set_match(each.query, each.query, databases[each.database].catalogue) for each in questions]
    return matches, Counter(hardness(each.query, databases[each.database].catalogue) for each in questions)


def test_gold_matches_gold_in_the_bundled_sample() -> None:
    matches, levels = verdicts(BUNDLED / "spider/bundled", "database/*/*.sql")
    assert matches == [True] * 14 and None not in levels


def test_gold_matches_gold_in_the_original(mirror: Path) -> None:
    matches, levels = verdicts(mirror / "spider", "database_derived/*/*.sqlite")
    assert matches == [True] * 1034
    assert levels == {"easy": 248, "medium": 446, "hard": 174, "extra": 166}


def test_keys_and_columns_are_those_of_the_original_tables(mirror: Path) -> None:
    """tables.json is where the official evaluator takes them from."""
    entries = {entry["db_id"]: entry for entry in json.loads((mirror / "spider/tables.json").read_text("utf-8"))}
    for path in sorted(mirror.glob("spider/database_derived/*/*.sqlite")):
        entry = entries[path.stem]
        with connected(path.read_bytes()) as connection:
            made = catalogue(connection)
        tables = [name.lower() for name in entry["table_names_original"]]
        names = ["*"] + [f"{tables[table]}.{column.lower()}" for table, column in entry["column_names_original"][1:]]
        for pair in entry["foreign_keys"]:
            assert len({made.keys[names[index]] for index in pair}) == 1, (path.stem, pair)
        assert set(made.keys) == {names[index] for pair in entry["foreign_keys"] for index in pair}
