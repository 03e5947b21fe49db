"""Spider: SQL for a question on a database of several tables, judged by its results (Table 3; Yu et al. 2018)."""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from lemur import sandbox
from lemur.benchmark_items.spider import Database, Question, read, read_databases
from lemur.core.records import Record
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import NO_RULE, Generated, Sample, Verdict
from lemur.evaluation.harness.scores import Scores
from lemur.evaluation.judging.queries import METRICS, Query, judge_queries
from lemur.evaluation.judging.set_match import LEVELS, exact_set_match, hardness
from lemur.evaluation.kinds.generated import GeneratedTask
from lemur.inference.interface import Model
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable

log = logging.getLogger(__name__)

FORM = "exact_set_match"
STOP = (";", "\n\n", "--")


class Params(GenerateParams):
    max_steps: int = Field(description="steps of SQLite's virtual machine that a query may take", gt=0)
    memory: int = Field(description="MiB that a query may use", gt=0)


def spider(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Ask `model` the chosen questions of the fetched `benchmark`, run its queries, and write the result and one sample
    per question. Without a sandbox nothing runs and the result is `skipped`."""
    run(task(params, benchmark), model, result, samples)


def task(params: Params, benchmark: Path) -> "Spider":
    source = load(benchmark)
    questions = [item for file in source.files if "database" not in file.meta for item in readable(read(file))]
    databases = read_databases(file for file in source.files if "database" in file.meta)
    return Spider(params, [questions], source, databases)


@dataclass(frozen=True)
class Spider(GeneratedTask[Question]):
    name = "spider"
    params: Params
    databases: Mapping[str, Database]

    def why_skipped(self) -> str | None:
        return super().why_skipped() or sandbox.why_unavailable()

    def check(self) -> None:
        names = {question.database for pool in self.pools for question in pool}
        if unknown := sorted(names - set(self.databases)):
            raise ValueError(f"spider: no database for {', '.join(unknown)}; its files need meta `database`")

    def id(self, item: Question) -> str:
        return item.where

    def group(self, item: Question) -> str:
        return item.database

    def item_fields(self, item: Question) -> Mapping[str, str]:
        return {"database": item.database, "target": item.query}

    def prompt(self, model: Model, item: Question, shots: int) -> str:
        return prompt(model, self.databases[item.database], item, self.params.in_chat(model))

    def stop(self, item: Question, in_chat: bool) -> Sequence[str]:
        return STOP

    def reference(self, item: Question) -> str:
        return re.sub(r"^\s*SELECT\b", "", item.query, flags=re.IGNORECASE)

    def constants(self, items: Sequence[Question]) -> Sequence[str]:
        """Queries without tables, and one whose result is empty."""
        return ["", *(f" {value}" for value in ("NULL WHERE 0", "0", "1", "2", "3", "4"))]

    def extract(self, sample: Sample[Question, Generated]) -> Mapping[str, str | None]:
        return {NO_RULE: extract_query(sample.answer.output)}

    def judge(self, samples: Sequence[Sample[Question, Generated]]) -> list[Sample[Question, Generated]]:
        queries = [
            Query(
                self.id(sample.item),
                self.databases[sample.item.database],
                sample.item.query,
                sample.extraction[NO_RULE] or "",
            )
            for sample in samples
        ]
        outcomes = judge_queries(queries, max_steps=self.params.max_steps, memory=self.params.memory)
        for query, outcome in zip(queries, outcomes, strict=True):
            if outcome.status == "undecided":
                log.warning("spider: %s is undecided: its columns match in too many orders to try all", query.name)
        return [
            replace(
                sample,
                verdict={NO_RULE: Verdict(outcome.status, outcome.error)},
                correct={**outcome.correct, FORM: {NO_RULE: self.has_gold_form(query)}},
            )
            for sample, query, outcome in zip(samples, queries, outcomes, strict=True)
        ]

    def has_gold_form(self, query: Query) -> bool | None:
        return exact_set_match(query.gold, query.predicted, query.database.catalogue)

    def hardness(self, item: Question) -> str | None:
        return hardness(item.query, self.databases[item.database].catalogue)

    def by_level(self, samples: Sequence[Sample[Question, Generated]]) -> dict[str, list[Sample[Question, Generated]]]:
        """Samples by hardness, without those whose gold query the official evaluator cannot read."""
        members: defaultdict[str | None, list[Sample[Question, Generated]]] = defaultdict(list)
        for sample in samples:
            members[self.hardness(sample.item)].append(sample)
        return {level: members[level] for level in LEVELS if level in members}

    def scores(self, samples: Sequence[Sample[Question, Generated]]) -> Scores:
        """Execution accuracy, exact set match, and test-suite accuracy if any database has several files."""
        scores = super().scores(samples)
        if any(len(self.databases[sample.item.database].files) > 1 for sample in samples):
            return scores
        return {key: value for key, value in scores.items() if not key.startswith("test_suite_accuracy")}

    def results(self, samples: Sequence[Sample[Question, Generated]]) -> dict[str, Mapping[str, object]]:
        """Scores overall, by database, and by hardness as the official evaluator reports them."""
        levels = {f"spider_hardness_{level}": self.scores(members) for level, members in self.by_level(samples).items()}
        return {**super().results(samples), **levels}

    def counts(self, samples: Sequence[Sample[Question, Generated]]) -> Counter[str]:
        counts = super().counts(samples)
        verdicts = [sample.verdict[NO_RULE] for sample in samples]
        counts["invalid"] = sum(verdict.status == "failed" for verdict in verdicts)
        counts["timed_out"] = sum(verdict.detail in ("timed_out", "interrupted") for verdict in verdicts)
        counts["undecided"] = sum(_is_undecided(sample) for sample in samples)
        return counts

    def config(self, model: Model, samples: Sequence[Sample[Question, Generated]]) -> Record:
        """With the number of questions by hardness."""
        levels = {level: len(members) for level, members in self.by_level(samples).items()}
        return {**super().config(model, samples), "hardness": levels}

    def record(self, sample: Sample[Question, Generated]) -> Record:
        verdict = sample.verdict[NO_RULE]
        return {
            **super().record(replace(sample, correct={metric: sample.correct[metric] for metric in METRICS})),
            "verdict": {"status": verdict.status, "error": verdict.detail},
            FORM: sample.correct[FORM][NO_RULE],
            "hardness": self.hardness(sample.item),
        }

    def facts(self) -> Record:
        return {"sandbox": sandbox.layers().record()}


def prompt(model: Model, database: Database, question: Question, in_chat: bool) -> str:
    """The tables as CREATE TABLE statements, then the question as a comment (Rajkumar et al. 2022); the paper does not
    give its prompt."""
    text = f"{database.schema}\n\n-- Using valid SQLite, answer the following questions for the tables provided above."
    text = f"{text}\n\n-- {question.question}\n"
    if in_chat:
        return model.chat_prompt([{"role": "user", "content": text.rstrip()}], prefill="SELECT")
    return f"{text}SELECT"


def extract_query(output: str) -> str:
    """The query on one line, starting with the prompt's SELECT, which the answer may repeat, also in a code block."""
    query, fence, block = output.partition("```")
    if fence and (not query.strip() or query.rstrip().endswith(":")):
        block = re.sub(r"^[ \t]*(?:sqlite|sql)\b", "", block, flags=re.IGNORECASE).partition("```")[0]
        query = f" {block.strip()}"
    query = re.sub(r"^\s*SELECT\b", "", query, flags=re.IGNORECASE)
    if not re.match(r"\s*WITH\b", query, re.IGNORECASE):
        query = f"SELECT{query}"
    return re.sub(r"\s*\n\s*", " ", query).strip()


def _is_undecided(sample: Sample[Question, Generated]) -> bool:
    return any(None in sample.correct[metric].values() for metric in METRICS)
