"""IC-SQL from prompt to score, on SQLite and on MariaDB, with its published episodes; and statements that break out."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.agents import intercode_sql as stage
from lemur.agents.episodes.environment import Action
from lemur.agents.intercode.published import read, replay, summary
from lemur.agents.intercode.sql import mariadb
from lemur.agents.intercode.sql.machine import SqlMachine, difference
from lemur.agents.intercode.sql.server import Server
from lemur.benchmark_items.intercode import EPISODES, Task, tasks
from lemur.sources.fetched import load
from tests.agents.intercode.tools import play

Source = Callable[..., Path]
pytestmark = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))
needs_mariadb = pytest.mark.skipif(mariadb.why_missing() is not None, reason=str(mariadb.why_missing()))
SERVERS = ["sqlite", pytest.param("mariadb", marks=needs_mariadb)]


@pytest.fixture(scope="session")
def server(source: Source) -> Iterator[Callable[[str, str], Server]]:
    """`server(name, place)`, started once."""
    started: dict[tuple[str, str], Server] = {}

    def get(name: str, place: str = "bundled") -> Server:
        if (name, place) not in started:
            started[name, place] = stage.start(name, stage.dump(load(source("intercode", place))))
        return started[name, place]

    yield get
    for each in started.values():
        each.close()


def fenced(task: Task, prompt: str) -> str:
    return f"```sql\n{task.gold}\n```"


@pytest.mark.parametrize("name", SERVERS)
def test_gold_queries_in_all_solved_out(
    name: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(task: Task, prompt: str) -> str:
        return "submit" if "Output:" in prompt else fenced(task, prompt)

    result, episodes = play(stage, says, source("intercode"), tmp_path, monkeypatch, server=name)
    scores = result["results"]["intercode_sql"]
    assert scores["success,paper"] == scores["success,strict"] == scores["reward,paper"] == 1.0
    assert scores["by_turns"]["1"]["success,paper"] == 1.0
    assert {each["ended"] for each in episodes} == {"solved", "submitted"}
    assert result["configs"]["intercode_sql"]["server"] == name


def test_a_strict_episode_shows_no_reward_and_has_no_oracle_stop(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the right query comes a wrong one: the paper's episode has ended by then, the strict one takes the last."""

    def says(task: Task, prompt: str) -> str:
        return "```sql\nSELECT 'no'\n```" if "Output:" in prompt else fenced(task, prompt)

    result, episodes = play(stage, says, source("intercode"), tmp_path, monkeypatch, server="sqlite", turns=3)
    scores = result["results"]["intercode_sql"]
    assert (scores["success,paper"], scores["success,strict"]) == (1.0, 0.0)
    for episode in episodes:
        text = str(episode["messages"]) + "".join(turn["message"] + turn["observation"] for turn in episode["turns"])
        assert ("reward" in text.lower()) is not episode["id"].endswith(" without rewards")


def test_a_prompt_keeps_two_messages_and_the_last_of_the_dialogue(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[str] = []

    def says(task: Task, prompt: str) -> str:
        prompts.append(prompt)
        return f"```sql\nSELECT {len(re.findall('SELECT', prompt))}\n```"

    play(stage, says, source("intercode"), tmp_path, monkeypatch, server="sqlite", turns=10, limit=1)
    longest = max(prompts, key=len)
    assert longest.count("[user]") + longest.count("[assistant]") - longest.endswith("[assistant]") <= 1 + 5 + 1
    assert "- boat: ['Boat_ID', 'Name', 'Home', 'Length', 'Pier_ID']" in longest


def test_a_missing_server_is_skipped_with_the_command_that_installs_it(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mariadb, "PROGRAM", "/nowhere/mariadbd")
    result, _ = play(stage, fenced, source("intercode"), tmp_path, monkeypatch, server="mariadb")
    assert "make agents" in result["results"]["intercode_sql"]["skipped"]


@pytest.mark.parametrize("name", SERVERS)
def test_what_the_model_can_ask_of_the_schema(name: str, server: Callable[..., Server]) -> None:
    connection = server(name).connect("harbour")
    assert connection.run("SHOW TABLES") == [("boat",), ("pier",)]
    described = connection.run("DESC pier")
    assert isinstance(described, list)
    assert [row[0] for row in described] == ["Pier_ID", "Name", "Depth"]
    assert described[0][2:] == ("NO", "PRI", None, "auto_increment")
    assert connection.run("SELECT Name FROM boat WHERE home = 'cork' ORDER BY Boat_ID") == [
        ("Widow's Son",),
        ("Blue; or Grey",),
    ]
    connection.close()


ESCAPES = [
    "SELECT 'x' INTO OUTFILE '/data/x'",
    "SELECT 'x' INTO DUMPFILE '/tmp/x'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE boat",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE boat",
    "CREATE USER mallory",
    "GRANT ALL ON *.* TO agent",
    "SELECT * FROM mysql.global_priv",
    "SET GLOBAL general_log_file = '/data/x'",
    "INSTALL SONAME 'ha_example'",
    "ATTACH DATABASE '/box/x' AS x",
    "PRAGMA writable_schema = 1",
    "SELECT load_extension('x')",
    "system id",
    "SHUTDOWN",
]


@pytest.mark.parametrize("name", SERVERS)
def test_statements_that_reach_for_files_users_or_the_server_fail(name: str, server: Callable[..., Server]) -> None:
    connection = server(name).connect("harbour")
    results = {statement: connection.run(statement) for statement in ESCAPES}
    connection.close()
    assert [statement for statement, result in results.items() if not isinstance(result, str)] == []
    after = server(name).connect("harbour")
    assert after.run("SELECT count(*) FROM boat") == [(5,)]
    after.close()


@needs_mariadb
def test_load_file_reads_nothing(server: Callable[..., Server]) -> None:
    connection = server("mariadb").connect("harbour")
    assert connection.run("SELECT load_file('/etc/passwd'), load_file('/data/ibdata1')") == [(None, None)]
    connection.close()


@needs_mariadb
def test_changed_data_is_seen_by_its_episode_alone_and_then_gone(server: Callable[..., Server]) -> None:
    first, second = (server("mariadb").connect("harbour") for _ in range(2))
    assert first.run("DELETE FROM boat WHERE Boat_ID > 2") is None
    assert first.run("ALTER TABLE pier DROP COLUMN Depth") is None
    assert first.changed
    assert first.run("SELECT count(*) FROM boat") == [(2,)]
    assert second.run("SELECT count(*) FROM boat") == [(5,)]
    first.close()
    third = server("mariadb").connect("harbour")
    assert third.run("SELECT max(Depth) FROM pier") == [(9.25,)]
    for connection in (second, third):
        connection.close()


@needs_mariadb
def test_a_reader_may_not_write(server: Callable[..., Server]) -> None:
    """What begins like a query and writes: refused, so the shared data stays."""
    connection = server("mariadb").connect("harbour")
    assert isinstance(connection.run("EXPLAIN DELETE FROM boat"), str)
    assert not connection.changed
    connection.close()


@needs_mariadb
@pytest.mark.slow
def test_a_statement_ends_after_ten_seconds(server: Callable[..., Server]) -> None:
    connection = server("mariadb").connect("harbour")
    assert "max_statement_time" in str(connection.run("SELECT sleep(30)"))
    assert connection.run("SELECT 1") == [(1,)]
    connection.close()


@needs_mariadb
def test_the_clock_is_fixed(server: Callable[..., Server]) -> None:
    connection = server("mariadb").connect("harbour")
    rows = connection.run("SELECT now() = sysdate(), year(curdate())")
    assert rows == [(1, 2023)]
    connection.close()


def test_sqlite_ends_a_statement_without_end(server: Callable[..., Server]) -> None:
    connection = server("sqlite").connect("harbour")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    assert connection.run(endless) == "interrupted"
    assert connection.run("SELECT 1") == [(1,)]


def published(source: Source) -> Path:
    files = load(source("intercode", "mirror")).files
    return next(each.path for each in files if each.schema == EPISODES and each.meta["benchmark"] == stage.NAME)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gold", "solved", "agree"),
    [("sqlite", 1034, 737, 1002), pytest.param("mariadb", 1028, 746, 1021, marks=needs_mariadb)],
)
def test_published_episodes_played_again(
    name: str, gold: int, solved: int, agree: int, source: Source, server: Callable[..., Server]
) -> None:
    """753 of 1,034 are published, on MySQL. Each difference has a class, and most are orders of rows."""
    live = server(name, "mirror")
    items = tasks(load(source("intercode", "mirror")), stage.NAME)
    episodes = read(published(source))
    assert [each.query for each in episodes] == [task.query for task in items.values()]
    replayed = [
        replay(each, lambda task=task: SqlMachine(live, task), difference)
        for each, task in zip(episodes, items.values(), strict=True)
    ]
    found = summary(replayed)
    assert (found["published"], found["solved"], found["agree"]) == (753, solved, agree)
    assert set(found["differences"]) <= {
        "the same rows in another order",
        "another result of the gold query",
        "the statement fails here",
        "the statement failed there",
        "the gold query fails here",
        "other rows",
    }
    machines = [SqlMachine(live, task) for task in items.values()]
    assert sum(isinstance(machine.act(Action("tool", machine.gold)).output, list) for machine in machines) == gold
    for machine in machines:
        machine.close()
