"""RoboCodeGen: write functions of a robot's program (Liang et al. 2022)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import list_entries, whole_text
from lemur.sources.reading.rows import convert_all, texts
from lemur.sources.reading.values import FieldError, parse

Value = Mapping[str, Any]
"""{type, value}: a number, text, array, list or geometry as JSON. No code computes one."""
SINGLE: dict[str, type | tuple[type, ...]] = {"bool": bool, "int": int, "float": (int, float), "str": str}
LISTS = ("list", "tuple")
NUMBERS = ("ndarray", "LinearRing", "LineString", "Point", "Polygon")
EQUALITIES = ("allclose", "eq", "shape_eq")
GROUPS = ("numpy", "control", "shapely", "api")


@dataclass(frozen=True)
class Test:
    """What the function is called with, and what the reference returned."""

    inputs: tuple[Value, ...]
    expected: Value


@dataclass(frozen=True)
class Problem:
    """`query`: the comment that asks for the function `name`. `equality`: how results are compared. `reference`: its
    code, empty where only its results were published."""

    where: str
    query: str
    id: str
    group: str
    name: str
    equality: str
    tests: tuple[Test, ...]
    reference: str = ""


@dataclass(frozen=True)
class Setting:
    """What all problems share: the few-shot prompts by name, and the corners of the objects that a program can name."""

    prompts: Mapping[str, str]
    object_points: Mapping[str, list[list[float]]]

    @property
    def definitions(self) -> str:
        """The prompt whose functions an answer may call: only those of the flat one are complete."""
        return self.prompts["flat"]


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """A JSON object {problems: [{task_id, group, f_name, query, test_equiv, tests: [{args, expected}]}]}."""
    return convert_all(list_entries(file, "problems"), _problem)


def read_setting(file: FetchedFile) -> Setting:
    """{prompts: {hierarchical, flat}, object_points: {name: [[x, y]]}} of the same file. Raises `ValueError`."""
    text = whole_text(file)
    if isinstance(text, BadRecord):
        raise ValueError(f"{text.where}: {text.reason}: {text.detail}; fetch the file again, or fix the source")
    record = parse(text)
    prompts, points = record.get("prompts"), record.get("object_points")
    if not isinstance(prompts, dict) or not all(
        isinstance(prompts.get(name), str) for name in ("hierarchical", "flat")
    ):
        raise ValueError(f"{file.path}: prompts is {prompts!r:.100}; texts named hierarchical and flat are needed")
    if not isinstance(points, dict):
        raise ValueError(f"{file.path}: object_points is {points!r:.100}; corners by name are needed")
    return Setting(prompts, points)


def _problem(where: str, record: Record) -> Problem:
    query, name, group, equality, number = texts(record, "query", "f_name", "group", "test_equiv", "task_id")
    for key, value, allowed in (("group", group, GROUPS), ("test_equiv", equality, EQUALITIES)):
        if value not in allowed:
            raise FieldError("wrong_type", f"{key} is {value!r:.50}; {', '.join(allowed)} are allowed")
    tests = tuple(Test(tuple(map(_value, test["args"])), _value(test["expected"])) for test in record["tests"])
    if not tests:
        raise FieldError("wrong_type", "tests is empty; at least one is needed")
    return Problem(where, query, number, group, name, equality, tests, str(record.get("reference", "")))


def _value(record: Record) -> Value:
    kind, value = record["type"], record["value"]
    if kind in LISTS and isinstance(value, list):
        return {"type": kind, "value": [_value(each) for each in value]}
    if (kind in SINGLE and isinstance(value, SINGLE[kind])) or (kind in NUMBERS and isinstance(value, list)):
        return {"type": kind, "value": value}
    allowed = ", ".join([*SINGLE, *LISTS, *NUMBERS])
    raise FieldError("wrong_type", f"a value is {kind!r:.50} {value!r:.50}; its type must be one of {allowed}")
