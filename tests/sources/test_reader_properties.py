"""Whatever a file holds, a reader gives records and bad records or raises `DamagedFile`; all of it can be written."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lemur.sources.fetched import DamagedFile, FetchedFile
from tests.sources.readers import KEYS, READERS, consume

FEW = settings(
    max_examples=settings().max_examples // 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ENDINGS = [".jsonl", ".json", ".csv", ".txt", ".parquet", ".jsonl.gz", ".jsonl.bz2", ".json.zst", ".json.xz"]

characters = st.text(st.characters(codec=None), max_size=8)  # halves of surrogate pairs too
texts = st.one_of(
    characters, st.sampled_from(["", "human", "gpt", "user", "assistant", "a\n#### 5", "[]", '{"cells": 1}'])
)
LONG = "an integer of 5,000 digits"
numbers = st.one_of(st.integers(), st.floats(), st.just(LONG))  # NaN and infinity too
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)


def objects(names: Iterable[str]) -> st.SearchStrategy[Any]:
    """JSON with the schema's own names, so that readers get beyond the first missing field."""
    keys = st.one_of(st.sampled_from(sorted(names)), characters)
    return st.recursive(
        scalars,
        lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(keys, children, max_size=6)),
        max_leaves=12,
    )


def schema_rows(schema: str) -> st.SearchStrategy[Any]:
    """Objects that have every field of the schema, most with a text."""
    value = st.one_of(texts, texts, objects(KEYS[schema]))
    return st.one_of(st.fixed_dictionaries(dict.fromkeys(KEYS[schema], value)), objects(KEYS[schema]))


def dump(value: Any) -> str:
    return json.dumps(value).replace(json.dumps(LONG), "7" * 5000)


def read(folder: Path, schema: str, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    meta = {"subject": "s", "task": "t", "language": "Python", "text_field": "text"}
    if schema == "source_files":
        meta["language"] = "Jupyter Notebook"
    try:
        consume(FetchedFile(folder, name, schema, "MIT", meta))
    except DamagedFile as error:
        assert str(folder / name) in str(error)


@pytest.mark.parametrize("schema", READERS)
@FEW
@given(st.data(), st.booleans())
def test_any_json(tmp_path: Path, schema: str, data: st.DataObject, as_list: bool) -> None:
    rows = data.draw(st.lists(schema_rows(schema), max_size=4))
    lines = list(map(dump, rows))
    if as_list:
        read(tmp_path, schema, "a.json", ("[" + ", ".join(lines) + "]").encode())
    else:
        read(tmp_path, schema, "a.jsonl", "\n".join(lines).encode())
    read(tmp_path, schema, "b.json", dump({"examples": rows, "problems": rows, "cells": rows}).encode())


@pytest.mark.parametrize("schema", READERS)
@FEW
@given(st.binary(max_size=60), st.sampled_from(ENDINGS))
def test_any_bytes(tmp_path: Path, schema: str, content: bytes, ending: str) -> None:
    read(tmp_path, schema, f"a{ending}", content)


@pytest.mark.parametrize("opening", ["[", '{"a": '])
@pytest.mark.parametrize("schema", READERS)
def test_any_depth(tmp_path: Path, schema: str, opening: str) -> None:
    close = "".join({"[": "]", "{": "}"}.get(letter, "") for letter in reversed(opening))
    for depth in (201, 20_000):
        for nested in (opening * depth, opening * depth + "1" + close * depth):
            fields = ", ".join(f"{json.dumps(key)}: {nested}" for key in KEYS[schema])
            read(tmp_path, schema, "a.json", f"[{nested}]".encode())
            read(tmp_path, schema, "b.jsonl", f"{nested}\n{{{fields}}}".encode())
