"""Spider: SQL for a question on a database of several tables, judged by what it returns (Table 3; Yu et al. 2018)."""

import json
import re
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lemur import sandbox
from lemur.core import workers
from lemur.core.records import Record, dump, write_jsonl
from lemur.evaluation import harness, sql_judge
from lemur.inference.interface import Model
from lemur.sources.fetched import BadRecord, FetchedFile, load

STOP = (";", "\n\n", "--", "```")
RULES = ("paper", "strict")
METRICS = ("execution_accuracy", "test_suite_accuracy")
TIMEOUT_S = 60
"""Processor seconds for all that a query is asked. The steps end it long before; these are for what no step counts."""
_JUDGE = Path(sql_judge.__file__).read_text(encoding="utf-8")
_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`"


class Params(harness.GenerateParams):
    max_steps: int = Field(description="steps of SQLite's virtual machine that a query may take", gt=0)
    memory: int = Field(description="MiB that a query may use", gt=0)


@dataclass(frozen=True)
class Question:
    where: str
    database: str
    question: str
    query: str


@dataclass(frozen=True)
class Database:
    """`schema`: its CREATE TABLE statements. `files`: SQLite files, the database itself first, then its test suite."""

    schema: str
    files: tuple[bytes, ...]


def spider(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Ask `model` every chosen question of the fetched `benchmark`, run its queries, and write the result and one
    sample a question. Without a sandbox nothing is run and the result is `skipped`."""
    source = load(benchmark)
    lists = [file for file in source.files if "database" not in file.meta]
    questions = [question for file in lists for question in harness.readable(read(file))]
    reason = None if questions else f"the source {source.name} is left out"
    if (reason := reason or sandbox.why_unavailable()) is not None:
        harness.write_skipped("spider", reason, params, result, samples)
        return
    databases = read_databases(file for file in source.files if "database" in file.meta)
    if unknown := sorted({question.database for question in questions} - set(databases)):
        raise ValueError(f"{benchmark}: no database for {', '.join(unknown)}; its files need meta `database`")
    origin = harness.origin(source)
    evaluate(
        params, harness.open_model(model, params), databases, questions, origin=origin, result=result, samples=samples
    )


def evaluate(
    params: Params,
    model: Model,
    databases: dict[str, Database],
    questions: list[Question],
    *,
    origin: Record,
    result: Path,
    samples: Path,
) -> None:
    chosen = harness.choose(questions, params.limit, params.seed, lambda question: question.where)
    in_chat = harness.asks_in_chat(model, params.chat)
    prompts = [prompt(model, databases[question.database], question, in_chat) for question in chosen]
    answers = harness.generate_fitting(
        model, prompts, max_new_tokens=params.max_new_tokens, stop=params.stops(STOP), seed=params.seed
    )
    report = harness.Report("spider", params, 1, 0, len(questions), len(chosen))
    rows: list[Record] = []
    for question, text, answer in zip(chosen, prompts, answers, strict=True):
        outcome = harness.answered(report, answer)
        report.counts["unanswered"] += not outcome["output"].strip()
        head = {"id": question.where, "database": question.database, "prompt": text, "target": question.query}
        rows.append({**head, **outcome, "extraction": extracted(outcome["output"])})
    queries = [(databases[row["database"]], row["target"], row["extraction"]) for row in rows]
    verdicts = judged(queries, params, [row["id"] for row in rows])
    for row, verdict in zip(rows, verdicts, strict=True):
        row |= verdict
        report.counts["invalid"] += bool(verdict["verdict"]["error"])
        report.counts["timed_out"] += verdict["verdict"]["error"] in ("timed_out", "interrupted")
    by_database: defaultdict[str, list[Record]] = defaultdict(list)
    for row in rows:
        by_database[row["database"]].append(row)
    several = any(len(databases[name].files) > 1 for name in by_database)
    for name, found in sorted(by_database.items()):
        report.subtasks.append(f"spider_{name}")
        report.results[f"spider_{name}"] = scores(found, len(databases[name].files) > 1)
    report.results["spider"] = scores(rows, several)
    report.higher_is_better = dict.fromkeys(METRICS if several else METRICS[:1], True)
    report.config = {"data": origin, "chat": "chat" if in_chat else "completion", "stop": params.stops(STOP)}
    report.facts = {"sandbox": sandbox.layers().record()}
    write_jsonl(samples, rows)
    report.write(result, model)


def scores(rows: list[Record], several: bool) -> Record:
    """Execution accuracy, and test-suite accuracy where there are `several` files of a database."""
    results: Record = {}
    for metric in METRICS if several else METRICS[:1]:
        for rule in RULES:
            results |= harness.scored(metric, rule, [float(row["correct"][metric][rule]) for row in rows])
    return results


def prompt(model: Model, database: Database, question: Question, in_chat: bool) -> str:
    """The tables as CREATE TABLE statements, then the question as a comment (Rajkumar et al. 2022); the paper does not
    state its prompt."""
    text = f"{database.schema}\n\n-- Using valid SQLite, answer the following questions for the tables provided above."
    text = f"{text}\n\n-- {question.question}\n"
    if in_chat:
        return model.chat_prompt([{"role": "user", "content": text.rstrip()}], prefill="SELECT")
    return f"{text}SELECT"


def extracted(output: str) -> str:
    """One query on one line, begun by the prompt's SELECT."""
    return re.sub(r"\s*\n\s*", " ", f"SELECT{output}").strip()


def repaired(query: str, *, keep_distinct: bool) -> str:
    """The official evaluator's repairs: `> =` becomes `>=`, YEAR(CURDATE()) 2020, and DISTINCT goes, unless kept."""
    for wrong, right in (("> =", ">="), ("< =", "<="), ("! =", "!=")):
        query = query.replace(wrong, right)
    query = re.sub(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", "2020", query, flags=re.IGNORECASE)
    if keep_distinct:
        return query
    return re.sub(rf"({_QUOTED})|\bdistinct\b", lambda found: found[1] or "", query, flags=re.IGNORECASE)


def judged(queries: list[tuple[Database, str, str]], params: Params, names: list[str] | None = None) -> list[Record]:
    """For each (database, gold query, predicted query) what goes into its sample: `correct` by metric and rule, and
    `verdict`. Raises `ValueError` where a gold query fails."""

    def judge(query: tuple[Database, str, str], seconds: int) -> sandbox.Result:
        database, gold, said = query
        databases = [f"{number}.sqlite" for number in range(len(database.files))]
        questions = []
        for rule in RULES:
            wanted, got = (repaired(query, keep_distinct=rule == "strict") for query in (gold, said))
            ordered = "order by" in wanted.lower()
            asked = {"gold": wanted, "said": got, "ordered": ordered, "databases": databases, "steps": params.max_steps}
            questions.append(asked)
        files = {"question.json": dump(questions).encode(), **dict(zip(databases, database.files, strict=True))}
        return sandbox.run_python(_JUDGE, files=files, timeout_s=seconds, memory_mb=params.memory)

    results = sandbox.judge_all(queries, judge, names=names, timeout_s=TIMEOUT_S, at_once=workers.count())
    return [_outcome(done, gold) for (_, gold, _), done in zip(queries, results, strict=True)]


def _outcome(done: sandbox.Result, gold: str) -> Record:
    if done.status == "failed":
        raise ValueError(f"spider: {done.detail}; gold query: {gold}")
    if done.status != "passed":
        none = dict.fromkeys(RULES, False)
        return {"correct": dict.fromkeys(METRICS, none), "verdict": {"error": done.status}}
    found = dict(zip(RULES, json.loads(done.stdout), strict=True))
    correct = {
        "execution_accuracy": {rule: bool(verdict["equal"][0]) for rule, verdict in found.items()},
        "test_suite_accuracy": {rule: all(verdict["equal"]) for rule, verdict in found.items()},
    }
    return {"correct": correct, "verdict": {"error": found["strict"]["error"]}}


def read(file: FetchedFile) -> Iterator[Question | BadRecord]:
    """A JSON list of {db_id, question, query}."""
    try:
        records = json.loads(file.path.read_bytes())
    except ValueError as error:
        yield BadRecord(file.name, "not_json", str(error)[:200])
        return
    for index, record in enumerate(records):
        where = f"{file.name}:{index}"
        try:
            question = Question(where, record["db_id"], record["question"], record["query"])
        except (KeyError, TypeError) as error:
            yield BadRecord(where, "missing_field", repr(error)[:200])
            continue
        yield question


def read_databases(files: Iterator[FetchedFile]) -> dict[str, Database]:
    """Databases by meta `database`: SQLite files, or scripts that make them (`.sql`). The file named as its database is
    the original; others are variants that a query must get right too (a test suite)."""
    folders: defaultdict[str, list[FetchedFile]] = defaultdict(list)
    for file in files:
        folders[file.meta["database"]].append(file)
    databases = {}
    for name, found in sorted(folders.items()):
        found.sort(key=lambda file: (file.path.stem != name, file.name))
        databases[name] = Database(schema(found[0].path), tuple(content(file.path) for file in found))
    return databases


def content(path: Path) -> bytes:
    """The bytes of a SQLite file, made of a script if `path` is one. Raises `ValueError` for a script that fails."""
    if path.suffix != ".sql":
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "made.sqlite")
        connection = sqlite3.connect(made)
        try:
            connection.executescript(path.read_text(encoding="utf-8"))
            connection.commit()
        except sqlite3.Error as error:
            raise ValueError(f"{path}: {error}; the script must run in SQLite") from None
        finally:
            connection.close()
        return made.read_bytes()


def schema(path: Path) -> str:
    """The CREATE TABLE statements of a database, in its own order."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.sqlite")
        copy.write_bytes(content(path))
        connection = sqlite3.connect(copy)
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        statements = [row[0].strip() for row in rows]
        connection.close()
    return "\n\n".join(f"{statement.rstrip(';')};" for statement in statements)
