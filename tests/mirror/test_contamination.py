"""Decontamination on the mirror's real files, in the folder LEMUR_MIRROR."""

import ast
import gzip
import json
import os
from pathlib import Path

import pytest

from lemur.decontamination.overlaps import Findings, Overlaps
from tests.decontamination.builders import index_of
from tests.instructions.builders import fetched

MIRROR = Path(os.environ.get("LEMUR_MIRROR", "") or "/nonexistent")


@pytest.mark.mirror
def test_planted_humaneval_problems_are_found(tmp_path: Path) -> None:
    """29 problems in the form of evol-codealpaca-v1 (docstring as instruction), among its real first evolution."""
    raw = (MIRROR / "humaneval/HumanEval.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(raw).splitlines()]
    folder = fetched(tmp_path / "h", "humaneval", {"h.jsonl.gz": ("humaneval", raw, {})})
    index = index_of(folder)
    overlaps, findings = Overlaps(index, {"humaneval": "remove"}, 0.5), Findings()
    planted = []
    for number, row in list(enumerate(rows, 1))[2:147:5]:
        node = ast.parse(row["prompt"] + row["canonical_solution"]).body[-1]
        assert isinstance(node, ast.FunctionDef)
        prose = f"Write a Python function named {row['entry_point']}. {ast.get_docstring(node)}"
        copy = prose + "\n```python\n" + row["prompt"] + row["canonical_solution"] + "```"
        detail = overlaps.judge(str(number), copy, findings)
        planted.append(f"h.jsonl.gz:{number}")
        assert detail is not None and detail["item"] == f"h.jsonl.gz:{number}"
    assert len(planted) == 29
    evol = json.loads((MIRROR / "code_instruct/evol-codealpaca-2k-1.json").read_text(encoding="utf-8"))
    for number, row in enumerate(evol):
        assert overlaps.judge(f"evol {number}", f"{row['instruction']}\n{row['output']}", findings) is None
    assert set(planted) <= set(findings.report()["items"]["humaneval"]["first"])
