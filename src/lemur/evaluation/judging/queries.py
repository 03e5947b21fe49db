"""Verdicts on SQL queries: run beside the gold query in the sandbox, after the official evaluator's repairs."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur import sandbox
from lemur.benchmarks.spider import Database
from lemur.core import workers
from lemur.core.records import dump
from lemur.evaluation.judging import sql_judge

RULES = ("paper", "strict")
METRICS = ("execution_accuracy", "test_suite_accuracy")
TIMEOUT_S = 60
"""Processor seconds for all that a query is asked. The steps end it long before; these are for what no step counts."""
_JUDGE = Path(sql_judge.__file__).read_text(encoding="utf-8")
_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`"


@dataclass(frozen=True)
class Query:
    """`name` is for messages; `said` is the model's."""

    name: str
    database: Database
    gold: str
    said: str


@dataclass(frozen=True)
class Outcome:
    """`correct` by metric and rule; `error`: why the model's query gave nothing, by the strict rule, or empty."""

    correct: Mapping[str, Mapping[str, bool]]
    error: str


def repaired(query: str, *, keep_distinct: bool) -> str:
    """The official evaluator's repairs: `> =` becomes `>=`, YEAR(CURDATE()) 2020, and DISTINCT goes, unless kept."""
    for wrong, right in (("> =", ">="), ("< =", "<="), ("! =", "!=")):
        query = query.replace(wrong, right)
    query = re.sub(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", "2020", query, flags=re.IGNORECASE)
    if keep_distinct:
        return query
    return re.sub(rf"({_QUOTED})|\bdistinct\b", lambda match: match[1] or "", query, flags=re.IGNORECASE)


def judged(queries: Sequence[Query], *, max_steps: int, memory: int) -> list[Outcome]:
    """Outcomes in the order of `queries`. Raises `ValueError` where a gold query fails."""

    def judge(query: Query, seconds: int) -> sandbox.Result:
        files = query.database.files
        databases = [f"{number}.sqlite" for number in range(len(files))]
        questions = []
        for rule in RULES:
            gold, said = (repaired(text, keep_distinct=rule == "strict") for text in (query.gold, query.said))
            ordered = "order by" in gold.lower()
            questions.append(
                {"gold": gold, "said": said, "ordered": ordered, "databases": databases, "steps": max_steps}
            )
        return sandbox.run_python(
            _JUDGE,
            files={"question.json": dump(questions).encode(), **dict(zip(databases, files, strict=True))},
            timeout_s=seconds,
            memory_mb=memory,
        )

    names = [query.name for query in queries]
    results = sandbox.judge_all(queries, judge, names=names, timeout_s=TIMEOUT_S, at_once=workers.count())
    return [_outcome(result, query.gold) for query, result in zip(queries, results, strict=True)]


def _outcome(result: sandbox.Result, gold: str) -> Outcome:
    if result.status == "failed":
        raise ValueError(f"spider: {result.detail}; gold query: {gold}")
    if result.status != "passed":
        return Outcome(dict.fromkeys(METRICS, dict.fromkeys(RULES, False)), result.status)
    verdicts = dict(zip(RULES, json.loads(result.stdout), strict=True))
    correct = {
        "execution_accuracy": {rule: bool(verdict["equal"][0]) for rule, verdict in verdicts.items()},
        "test_suite_accuracy": {rule: all(verdict["equal"]) for rule, verdict in verdicts.items()},
    }
    return Outcome(correct, verdicts["strict"]["error"])
