"""The paper's Tables 1 and 3 to 8, read from data/paper/tables.yaml and validated."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Percent = Annotated[float, Field(ge=0, le=100)]


class Slip(_Data):
    """A printed number that contradicts the paper's other numbers. `row` None: the whole column."""

    column: str
    printed: str
    found: str
    why: str
    row: str | None = None
    setting: Literal["alone", "feedback"] | None = None
    """Of Table 6, where a model has two rows."""

    def sentence(self) -> str:
        return f"printed {self.printed}, but {self.found}: {self.why}."


class InstructionRow(_Data):
    """A row of Table 1; `sources` are this project's sources for it. Lengths are in tokens per turn."""

    name: str
    sources: list[str] = Field(min_length=1)
    query: str
    response: str
    instances: int = Field(gt=0)
    rounds: float = Field(ge=1)
    prompt: float = Field(gt=0)
    completion: float = Field(gt=0)


class Table1(_Data):
    rows: list[InstructionRow]
    slips: list[Slip]


class Benchmark(_Data):
    key: str
    name: str
    kind: Literal["text", "code"]
    group: str
    items: int | None


class ScoreRow(_Data):
    """A row of Table 3: `scores` in percent, in the order of `Table3.benchmarks`."""

    model: str
    scores: list[float]
    average: float


class Table3(_Data):
    benchmarks: list[Benchmark]
    rows: list[ScoreRow]
    slips: list[Slip]

    @model_validator(mode="after")
    def _one_score_a_benchmark(self) -> Self:
        for row in self.rows:
            if len(row.scores) != len(self.benchmarks):
                raise ValueError(f"{row.model} has {len(row.scores)} scores; it needs {len(self.benchmarks)}")
            if not all(0 <= score <= 100 for score in row.scores):
                raise ValueError(f"{row.model} has a score outside 0 to 100: {row.scores}")
        return self

    def scores(self, model: str) -> dict[str, float]:
        """The scores of one row by benchmark key."""
        row = next(row for row in self.rows if row.model == model)
        return {benchmark.key: score for benchmark, score in zip(self.benchmarks, row.scores, strict=True)}


class AgentTask(_Data):
    """A column of the tables on agents. `items`: the episodes of which a score is the share solved."""

    key: str
    name: str
    items: int = Field(gt=0)


class AgentRow(_Data):
    """Success rates in percent, in the order of the table's tasks. `average`: over all items (Table 4)."""

    model: str
    scores: list[Percent]
    average: Percent | None = None


class AgentTable(_Data):
    """Table 4, 5 or 7."""

    tasks: list[AgentTask]
    rows: list[AgentRow]
    slips: list[Slip]

    @model_validator(mode="after")
    def _one_score_a_task(self) -> Self:
        for row in self.rows:
            if len(row.scores) != len(self.tasks):
                raise ValueError(f"{row.model} has {len(row.scores)} scores; it needs {len(self.tasks)}")
        return self


class FeedbackRow(_Data):
    """Two rows of Table 6: success rates in percent without and with a teacher, in the order of the groups, and the
    difference of the last group."""

    model: str
    alone: list[Percent] = Field(min_length=3, max_length=3)
    feedback: list[Percent] | None = Field(min_length=3, max_length=3)
    delta: float | None


class Table6(_Data):
    groups: list[AgentTask] = Field(min_length=3, max_length=3)
    rows: list[FeedbackRow]
    slips: list[Slip]


class ActionFormRow(_Data):
    """WebArena with actions in its own notation and in Python, in percent."""

    model: str
    symbolic: Percent
    programming: Percent


class Figure5(_Data):
    rows: list[ActionFormRow]


class CorpusRow(_Data):
    """A row of Table 8: weight in percent, effective tokens in billions, epochs (not given for text)."""

    source: str
    name: str
    group: Literal["code", "text"]
    weight: float = Field(gt=0, le=100)
    tokens: float = Field(gt=0)
    epochs: float | None


class CorpusGroup(_Data):
    name: Literal["code", "text"]
    weight: float = Field(gt=0, le=100)


class Table8(_Data):
    total_tokens: float
    groups: list[CorpusGroup]
    rows: list[CorpusRow]
    slips: list[Slip]


class PaperTables(_Data):
    paper: str
    table1: Table1
    table3: Table3
    table4: AgentTable
    table5: AgentTable
    table6: Table6
    table7: AgentTable
    figure5: Figure5
    table8: Table8


def load(path: Path) -> PaperTables:
    """The validated tables. Raises `ValueError` that names the file, the field and its value."""
    try:
        return PaperTables.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except YAMLError as error:
        raise ValueError(f"{path}: not YAML ({error})") from None
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}, not {e['input']!r:.80}" for e in error.errors())
        raise ValueError(f"{path}: " + "; ".join(problems)) from None
