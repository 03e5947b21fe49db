"""What is read in a model's message: by the paper's rule with the original's faults, by the strict one without."""

import pytest

from lemur.agents.intercode import parsers


@pytest.mark.parametrize(
    ("answer", "kind", "command"),
    [
        ("```sql\nSELECT 1;\nSELECT 2\n```", "tool", "SELECT 1"),
        ("```SQL\nshow   tables\n```", "tool", "show tables"),
        ("Let us see: SELECT a FROM b; done", "tool", "SELECT a FROM b"),
        ("I would DESC the table", "tool", "DESC the table"),
        ("select a from b", "invalid", "select a from b"),
        ("```sql\nDELETE FROM a\n```", "invalid", "DELETE FROM a"),
        ("```sql\nWITH t AS (SELECT 1) SELECT * FROM t\n```", "invalid", "WITH t AS (SELECT 1) SELECT * FROM t"),
        ("```sql\n;\n```", "invalid", ""),
        ("SQL: SELECT 1", "tool", "S"),  # one character
        ("SELECT a\\_b FROM c", "tool", "SELECT a_b FROM c"),
        ("SELECT ';' FROM b", "tool", "SELECT '"),
        ("I see SELECT 1, then SHOW TABLES", "tool", "SHOW TABLES"),  # keywords are tried in this order
    ],
)
def test_sql_as_in_the_paper(answer: str, kind: str, command: str) -> None:
    assert (parsers.sql(answer).kind, parsers.sql(answer).text) == (kind, command)


@pytest.mark.parametrize(
    ("answer", "kind", "command"),
    [
        ("SQL: SELECT 1", "tool", "SELECT 1"),
        ("SELECT ';' FROM b; SELECT 2", "tool", "SELECT ';' FROM b"),
        ("select a from b", "tool", "select a from b"),
        ("```sql\nWITH t AS (SELECT 1) SELECT * FROM t\n```", "tool", "WITH t AS (SELECT 1) SELECT * FROM t"),
        ("```sql\nDELETE FROM a WHERE b IN (SELECT 1)\n```", "invalid", "DELETE FROM a WHERE b IN (SELECT 1)"),
        ("nothing", "invalid", "nothing"),
    ],
)
def test_sql_strict(answer: str, kind: str, command: str) -> None:
    assert (parsers.sql_strict(answer).kind, parsers.sql_strict(answer).text) == (kind, command)


@pytest.mark.parametrize(
    ("answer", "command"),
    [
        ("```bash\nfind /A -name *.TXT\n```", "find /a -name *.txt"),  # lower case
        ("```sh\nls\n  -l\n```", "ls -l"),
        ("bash: ls /A", "ls /A"),
        ("The command: ls", " ls"),
        ("ls /A\nls /B", "ls /A ls /B"),
    ],
)
def test_bash_as_in_the_paper(answer: str, command: str) -> None:
    assert parsers.bash(answer).text == command


def test_bash_command_in_capitals_ends_the_episode_in_the_paper() -> None:
    assert parsers.bash("Command: ls").kind == "blocked"
    assert parsers.bash_strict("Command: ls").text == "ls"


def test_bash_strict_keeps_case_and_lines() -> None:
    assert parsers.bash_strict("```bash\necho A\necho  B\n```").text == "echo A\necho  B"


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        ("Action: ls -l\nObservation: x", "tool", "ls -l"),
        ("Action: submit picoCTF{a b}", "solution", "submit picoCTF{a b}"),
        ("Action: skip", "skip", "skip"),
        (" cat flag", "tool", "cat flag"),
    ],
)
def test_ctf(answer: str, kind: str, text: str) -> None:
    assert (parsers.ctf(answer).kind, parsers.ctf(answer).text) == (kind, text)
