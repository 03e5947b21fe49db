import json
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur import sandbox
from lemur.benchmark_items.spider import Database, content
from lemur.core.records import Record, read_json, read_jsonl
from lemur.evaluation import spider as stage
from lemur.evaluation.judging import queries, sql_judge
from lemur.evaluation.judging.queries import Query
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import ASK_FOR_ANSWERS, BUNDLED, Oracle, fetched, file

PARAMS = ASK_FOR_ANSWERS | {"max_new_tokens": 64, "max_steps": 10_000_000, "memory": 256}
SCHEMA = "CREATE TABLE cat (name TEXT, age INTEGER);\n"
ROWS = "INSERT INTO cat VALUES ('Tom', 3), ('Mia', 5), ('Leo', 3);\n"
OTHER_ROWS = "INSERT INTO cat VALUES ('Bo', 9), ('Bo', 1), ('Zoe', 4), ('Tom', 2);\n"
QUESTIONS = [
    ("How many?", "SELECT count(*) FROM cat"),
    ("Which ages?", "SELECT DISTINCT age FROM cat"),
    ("By age?", "SELECT name, age FROM cat ORDER BY age, name"),
    ("Who is old?", "SELECT name FROM cat WHERE age > 3"),
]
needs_sandbox = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


def files() -> dict[str, tuple[str, Record]]:
    questions = json.dumps([{"db_id": "cats", "question": text, "query": query} for text, query in QUESTIONS])
    return {
        "dev.json": (questions, {"split": "test"}),
        "cats/cats.sql": (SCHEMA + ROWS, {"database": "cats"}),
        "cats/a_variant.sql": (SCHEMA + OTHER_ROWS, {"database": "cats"}),
    }


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    return fetched(tmp_path / "spider", "spider", files())


def gold(prompt: str) -> str:
    return next(query for text, query in QUESTIONS if f"-- {text}\n" in prompt).removeprefix("SELECT") + "; x"


def run(benchmark: Path, model: Oracle, monkeypatch: pytest.MonkeyPatch, **changed: object) -> tuple[dict, list[dict]]:  # type: ignore[type-arg]
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: model)
    result, samples = benchmark / "result.json", benchmark / "samples.jsonl"
    stage.spider(stage.Params(**{**PARAMS, **changed}), Path("model"), benchmark, result=result, samples=samples)  # type: ignore[arg-type]
    return read_json(result), list(read_jsonl(samples))


def answer(benchmark: Path, monkeypatch: pytest.MonkeyPatch, query: str, number: int = 3, **changes: object) -> dict:  # type: ignore[type-arg]
    """The sample of question `number` when the model continues SELECT with `query`."""
    return run(benchmark, Oracle(lambda prompt: query), monkeypatch, **changes)[1][number]


@needs_sandbox
def test_gold_queries_score_one_and_garbage_zero(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(gold), monkeypatch)
    for metric in ("execution_accuracy", "test_suite_accuracy"):
        assert result["results"]["spider"][f"{metric},paper"] == result["results"]["spider"][f"{metric},strict"] == 1.0
    assert samples[0]["extraction"] == "SELECT count(*) FROM cat"
    result, _ = run(benchmark, Oracle(lambda prompt: " 'garbage'"), monkeypatch)
    assert result["results"]["spider"]["execution_accuracy,paper"] == 0.0
    assert result["results"]["spider"]["execution_accuracy,strict"] == 0.0


@needs_sandbox
def test_a_query_that_is_correct_by_chance_fails_the_suite(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = answer(benchmark, monkeypatch, " name FROM cat WHERE name = 'Mia'")
    assert sample["correct"] == {
        "execution_accuracy": {"paper": True, "strict": True},
        "test_suite_accuracy": {"paper": False, "strict": False},
    }


@needs_sandbox
def test_the_papers_rule_drops_distinct(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = answer(benchmark, monkeypatch, " age FROM cat", number=1)
    assert sample["correct"]["execution_accuracy"] == {"paper": True, "strict": False}


@needs_sandbox
@pytest.mark.parametrize(
    ("query", "error"),
    [
        (" name FROM dog", "no such table: dog"),
        (" load_extension('x')", "not authorized"),
        (" name FROM cat ORDER BY random()", "not authorized"),
        (" 1 UNION SELECT * FROM pragma_table_list", "authorized|prohibited"),
        (" sum(a.age) FROM cat a, cat b, cat c, cat d, cat e, cat f, cat g, cat h, cat i, cat j, cat k, cat l, cat m",
         "interrupted"),
        (" zeroblob(900000000)", "(?i)too big|memory"),
        ("", "syntax|incomplete"),
    ],
)  # fmt: skip
def test_a_failing_query_is_wrong_and_its_error_recorded(
    benchmark: Path, monkeypatch: pytest.MonkeyPatch, query: str, error: str
) -> None:
    import re

    sample = answer(benchmark, monkeypatch, query, max_steps=300_000)
    assert re.search(error, sample["verdict"]["error"]), sample["verdict"]
    assert sample["correct"]["execution_accuracy"] == {"paper": False, "strict": False}


@needs_sandbox
def test_only_one_statement_runs_and_nothing_is_written(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (benchmark / "files/cats/cats.sql").read_bytes()
    assert answer(benchmark, monkeypatch, " name FROM cat WHERE age > 3; DROP TABLE cat")["extraction"].endswith("> 3")
    cats = Database("", (content(benchmark / "files/cats/cats.sql"),))
    (outcome,) = queries.judge_queries(
        [Query("", cats, "SELECT 1", "DROP TABLE cat")], max_steps=10_000_000, memory=256
    )
    assert "not authorized" in outcome.error
    assert (benchmark / "files/cats/cats.sql").read_bytes() == before


@needs_sandbox
def test_a_gold_query_that_fails_stops_the_stage(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "QUESTIONS", [("How many?", "SELECT x FROM cat")])
    path = benchmark / "files/dev.json"
    path.write_text(
        json.dumps([{"db_id": "cats", "question": "How many?", "query": "SELECT x FROM cat"}]), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"gold query fails.*no such column: x"):
        run(benchmark, Oracle(gold), monkeypatch)


@needs_sandbox
def test_the_clock_is_frozen(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "0.sqlite").close()
    query = (
        "SELECT date('now'), strftime('%Y', 'now'), datetime(), current_date, date('now', '+1 day'), date('2020-02-29')"
    )
    rows = sql_judge.connect(str(tmp_path / "0.sqlite"), 10**6).execute(query).fetchall()
    assert rows == [("2023-10-10", "2023", "2023-10-10 00:00:00", "2023-10-10", "2023-10-11", "2020-02-29")]


@needs_sandbox
def test_the_prompt(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(gold)
    run(benchmark, model, monkeypatch)
    text = (
        "CREATE TABLE cat (name TEXT, age INTEGER);\n\n"
        "-- Using valid SQLite, answer the following questions for the tables provided above.\n\n-- How many?"
    )
    assert model.prompts[0] == f"{text}\nSELECT"
    model.chat, model.answer = True, lambda prompt: ""
    run(benchmark, model, monkeypatch)
    assert model.prompts[4] == f"[user]{text}[assistant]SELECT"


@pytest.mark.parametrize(
    ("output", "query"),
    [
        (" name FROM cat", "SELECT name FROM cat"),
        (" name\nFROM cat\n", "SELECT name FROM cat"),
        (" name FROM cat\n```\nThis is it", "SELECT name FROM cat"),
        ("\n```sql\nSELECT name\nFROM cat\n```\nThis is it", "SELECT name FROM cat"),
        ("```\nselect name FROM cat", "SELECT name FROM cat"),
        ("```SQL\nname FROM cat```", "SELECT name FROM cat"),
        ("```sql\nWITH x AS (SELECT 1) SELECT * FROM x\n```", "WITH x AS (SELECT 1) SELECT * FROM x"),
        (" The query is:\n```sqlite\nSELECT name FROM cat", "SELECT name FROM cat"),
        (" SELECT name FROM cat", "SELECT name FROM cat"),
        (" sql_id FROM cat", "SELECT sql_id FROM cat"),
        ("", "SELECT"),
    ],
)
def test_the_query_of_an_answer(output: str, query: str) -> None:
    assert stage.extract_query(output) == query


@needs_sandbox
def test_a_query_in_a_code_block_loses_nothing(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(lambda prompt: f"\n```sql\nSELECT{gold(prompt).removesuffix('; x')}\n```")
    result, _ = run(benchmark, model, monkeypatch)
    assert result["results"]["spider"]["execution_accuracy,strict"] == 1.0
    assert result["results"]["spider"]["exact_set_match,none"] == 1.0


@needs_sandbox
def test_exact_set_match_and_hardness_are_reported(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(lambda prompt: " name FROM cat WHERE age > 4"), monkeypatch)
    assert [(sample["exact_set_match"], sample["hardness"]) for sample in samples] == [
        (False, "easy"), (False, "easy"), (False, "medium"), (True, "easy")
    ]  # fmt: skip
    scores = result["results"]
    assert scores["spider"]["exact_set_match,none"] == 0.25
    assert scores["spider_hardness_easy"]["exact_set_match,none"] == 1 / 3
    assert scores["spider_hardness_medium"]["execution_accuracy,strict"] == 0.0
    assert "spider_hardness_hard" not in scores
    assert result["configs"]["spider"]["hardness"] == {"easy": 3, "medium": 1}
    assert result["higher_is_better"]["spider"]["exact_set_match"] is True


@pytest.mark.parametrize(
    ("query", "kept", "dropped"),
    [
        ("SELECT DISTINCT a WHERE b > = 1", "SELECT DISTINCT a WHERE b >= 1", "SELECT  a WHERE b >= 1"),
        ("SELECT 'distinct' FROM t", "SELECT 'distinct' FROM t", "SELECT 'distinct' FROM t"),
        ("SELECT count(DISTINCT a)", "SELECT count(DISTINCT a)", "SELECT count( a)"),
        ("SELECT a + YEAR(CURDATE())", "SELECT a + 2020", "SELECT a + 2020"),
    ],
)  # fmt: skip
def test_the_official_repairs(query: str, kept: str, dropped: str) -> None:
    assert queries.repair_query(query, keep_distinct=True) == kept
    assert queries.repair_query(query, keep_distinct=False) == dropped


CELL = st.one_of(st.integers(0, 2), st.sampled_from(["a", "b"]), st.none())
TABLE = st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[CELL] * width), max_size=5))


@given(TABLE, st.randoms())
def test_rows_and_columns_in_another_order_are_equivalent(table: list, chance: object) -> None:  # type: ignore[type-arg]
    width = len(table[0]) if table else 0
    order = chance.sample(range(width), width)  # type: ignore[attr-defined]
    other = [tuple(row[column] for column in order) for row in table]
    assert sql_judge.equivalent(table, other, True)
    chance.shuffle(other)  # type: ignore[attr-defined]
    assert sql_judge.equivalent(table, other, False)
    assert not table or not sql_judge.equivalent(table, [*other, other[0]], False)


def flags(columns: int, seed: int) -> list[tuple[int, ...]]:
    """Rows of columns that each hold six ones and six zeros."""
    chance = random.Random(seed)
    return list(zip(*[chance.sample([1, 0] * 6, 12) for _ in range(columns)], strict=True))


def shuffled(rows: list[tuple[int, ...]], seed: int = 0) -> list[tuple[int, ...]]:
    chance = random.Random(seed)
    order = chance.sample(range(len(rows[0])), len(rows[0]))
    return [tuple(row[column] for column in order) for row in chance.sample(rows, len(rows))]


def rings(*lengths: int) -> list[tuple[int, ...]]:
    """Edges of rings, with a column for each vertex."""
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    edges = [
        (start + at, start + (at + 1) % length)
        for start, length in zip(starts, lengths, strict=True)
        for at in range(length)
    ]
    return [tuple(int(vertex in edge) for vertex in range(sum(lengths))) for edge in edges]


@pytest.mark.parametrize("seed", range(5))
def test_flag_columns_in_another_order_match_at_once(seed: int) -> None:
    rows, steps = flags(11, seed), [10_000]
    assert sql_judge.equivalent(rows, shuffled(rows, seed), False, steps) is True
    other = [(*row[:-1], flag) for row, (flag,) in zip(rows, flags(1, seed + 100), strict=True)]
    assert sql_judge.equivalent(rows, shuffled(other, seed), False, steps) is False
    wide = flags(60, seed)
    assert sql_judge.equivalent(wide, shuffled(wide, seed), False, [100_000]) is True
    assert sql_judge.equivalent(wide, shuffled(wide, seed), True, [0]) is False


def test_columns_that_look_alike_are_told_apart_or_undecided() -> None:
    assert sql_judge.equivalent(rings(12), shuffled(rings(12)), False) is True
    assert sql_judge.equivalent(rings(12), shuffled(rings(6, 6)), False) is False
    assert sql_judge.equivalent(rings(12), shuffled(rings(6, 6)), False, [1_000]) is None
    assert sql_judge.equivalent(rings(60), shuffled(rings(30, 30)), False) is None
    twins = [(1, 1, 0, 0, 0), (0, 0, 1, 1, 1)]
    assert sql_judge.equivalent(twins, shuffled(twins), False) is True


@needs_sandbox
def test_an_undecided_answer_is_neither_right_nor_wrong(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge_text = queries._JUDGE.replace("MATCHING_STEPS = 10_000_000", "MATCHING_STEPS = 100")
    monkeypatch.setattr(queries, "_JUDGE", judge_text)

    def values(table: list[tuple[int, ...]]) -> str:
        return " UNION ALL ".join(f"SELECT {', '.join(map(str, row))}" for row in table)

    questions = [{"db_id": "cats", "question": "Which?", "query": values(rings(8))}]
    questions.append({"db_id": "cats", "question": "How many?", "query": "SELECT count(*) FROM cat"})
    (benchmark / "files/dev.json").write_text(json.dumps(questions), encoding="utf-8")
    answers = {"Which?": values(shuffled(rings(4, 4))).removeprefix("SELECT"), "How many?": " count(*) FROM cat"}
    model = Oracle(lambda prompt: next(query for text, query in answers.items() if f"-- {text}\n" in prompt))
    result, samples = run(benchmark, model, monkeypatch)
    assert samples[0]["verdict"] == {"status": "undecided", "error": ""}
    assert samples[0]["correct"]["execution_accuracy"] == {"paper": None, "strict": None}
    assert result["counts"]["spider"]["undecided"] == 1 and result["counts"]["spider"]["invalid"] == 0
    assert result["results"]["spider"]["execution_accuracy,strict"] == 1.0  # of the one that is decided


def test_order_repeats_and_values_matter() -> None:
    assert not sql_judge.equivalent([(1,), (2,)], [(2,), (1,)], True)
    assert not sql_judge.equivalent([(1,), (1,), (2,)], [(1,), (2,), (2,)], False)
    assert not sql_judge.equivalent([(1, 2), (2, 1)], [(1, 1), (2, 2)], False)
    assert not sql_judge.equivalent([(1,)], [("1",)], False) and sql_judge.equivalent([(1,)], [(1.0,)], False)
    assert sql_judge.equivalent([], [], True) and not sql_judge.equivalent([], [(1,)], False)


def test_a_bad_question_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text('[{"db_id": "a", "question": "b"}]', encoding="utf-8")
    bad = list(stage.read(file(path, "spider")))
    assert [(record.where, record.reason) for record in bad] == [("dev.json:0", "missing_field")]  # type: ignore[union-attr]


def judge(root: Path, questions: Path, pattern: str, predicted: str | None) -> list[queries.Outcome]:
    """Outcomes of `predicted` for every question, or of the gold queries if it is None."""
    files = [file(path, "spider", database=path.parent.name) for path in sorted(root.glob(pattern))]
    databases = stage.read_databases(files)
    items = readable(stage.read(file(questions, "spider")))
    jobs = [Query(item.where, databases[item.database], item.query, predicted or item.query) for item in items]
    return queries.judge_queries(jobs, max_steps=100_000_000, memory=256)


def count_correct(outcomes: list[queries.Outcome]) -> list[int]:
    return [
        sum(outcome.correct[metric][rule] for outcome in outcomes)
        for metric in queries.METRICS
        for rule in queries.RULES
    ]


@needs_sandbox
def test_gold_queries_of_the_bundled_sample() -> None:
    root = BUNDLED / "spider/bundled"
    assert count_correct(judge(root, root / "dev.json", "database/*/*.sql", None)) == [14] * 4
    assert count_correct(judge(root, root / "dev.json", "database/*/*.sql", "SELECT 'garbage'")) == [0] * 4


@needs_sandbox
@pytest.mark.slow
def test_gold_queries_of_the_original(mirror: Path) -> None:
    root = mirror / "spider"
    assert count_correct(judge(root, root / "dev.json", "database_derived/*/*.sqlite", None)) == [1034] * 4
    assert count_correct(judge(root, root / "dev.json", "database_derived/*/*.sqlite", "SELECT 'garbage'")) == [0] * 4


@needs_sandbox
@pytest.mark.slow
def test_recorded_queries_get_the_official_evaluators_verdict(mirror: Path) -> None:
    """gpt-3.5's first queries from InterCode's log. On the same databases the official exec_eval
    (taoyds/test-suite-sql-eval) gave 737 without and 732 with DISTINCT, and the same verdict on each of the 1,033."""
    root = mirror / "spider"
    files = [file(path, "spider", database=path.parent.name) for path in root.glob("database_derived/*/*.sqlite")]
    databases = stage.read_databases(files)
    questions: dict[str, stage.Question] = {}
    for question in readable(stage.read(file(root / "dev.json", "spider"))):
        questions.setdefault(question.question.strip(), question)
    log = mirror / "intercode/results/sql/gpt-3.5/ic_sql_multiturn_gpt-3.5_10_turns_handicap.json"
    jobs = []
    for record in read_json(log).values():
        selects = [each for each in record["turn_history"]["actions"] if each.strip().lower().startswith("select")]
        if selects:
            question = questions[record["query"].strip()]
            first = stage.extract_query(selects[0].strip().split(";")[0][len("select") :])
            jobs.append(Query(question.where, databases[question.database], question.query, first))
    outcomes = queries.judge_queries(jobs, max_steps=100_000_000, memory=256)
    assert len(jobs) == 1033
    assert count_correct(outcomes)[:2] == [737, 732]
