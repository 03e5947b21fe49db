"""Verdicts on SQL queries: the sandbox runs each beside its gold query, after the official evaluator's repairs."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur import sandbox
from lemur.benchmark_items.spider import Database
from lemur.core import workers
from lemur.core.records import dump
from lemur.evaluation.judging import sql_judge

RULES = ("paper", "strict")
METRICS = ("execution_accuracy", "test_suite_accuracy")
TIMEOUT_S = 60
"""CPU seconds per query on all databases. The step limit ends a query long before; this limits work without steps."""
_JUDGE = Path(sql_judge.__file__).read_text(encoding="utf-8")
_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`"


@dataclass(frozen=True)
class Query:
    """`name` is for messages; `predicted` is the model's query."""

    name: str
    database: Database
    gold: str
    predicted: str


@dataclass(frozen=True)
class Outcome:
    """`correct` by metric and rule, `None` if undecided; `error`: why the model's query failed by the strict rule, or
    empty."""

    correct: Mapping[str, Mapping[str, bool | None]]
    error: str

    @property
    def status(self) -> str:
        if self.error:
            return "failed"
        return "undecided" if None in [rules["strict"] for rules in self.correct.values()] else "ran"


def repair_query(query: str, *, keep_distinct: bool) -> str:
    """Apply the official evaluator's repairs: `> =` becomes `>=`, YEAR(CURDATE()) becomes 2020, and DISTINCT is removed
    unless `keep_distinct`."""
    for wrong, right in (("> =", ">="), ("< =", "<="), ("! =", "!=")):
        query = query.replace(wrong, right)
    query = re.sub(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", "2020", query, flags=re.IGNORECASE)
    if keep_distinct:
        return query
    return re.sub(rf"({_QUOTED})|\bdistinct\b", lambda match: match[1] or "", query, flags=re.IGNORECASE)


def judge_queries(queries: Sequence[Query], *, max_steps: int, memory: int) -> list[Outcome]:
    """Outcomes in the order of `queries`. Raises `ValueError` if a gold query fails."""

    def judge(query: Query, seconds: int) -> sandbox.Result:
        files = query.database.files
        databases = [f"{number}.sqlite" for number in range(len(files))]
        questions = []
        for rule in RULES:
            gold, predicted = (
                repair_query(text, keep_distinct=rule == "strict") for text in (query.gold, query.predicted)
            )
            ordered = "order by" in gold.lower()
            questions.append(
                {"gold": gold, "predicted": predicted, "ordered": ordered, "databases": databases, "steps": max_steps}
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
        "execution_accuracy": {rule: verdict["equal"][0] for rule, verdict in verdicts.items()},
        "test_suite_accuracy": {rule: _all(verdict["equal"]) for rule, verdict in verdicts.items()},
    }
    return Outcome(correct, verdicts["strict"]["error"])


def _all(equal: Sequence[bool | None]) -> bool | None:
    """Whether all are true; `None` if none is false, but some are undecided."""
    return False if False in equal else None if None in equal else True
