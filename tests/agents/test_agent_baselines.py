"""The stage `agent_baselines` on the bundled tasks: what references and constant messages score."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.agents import agent_baselines as stage
from lemur.agents.intercode.bash import roots
from lemur.core.records import read_json
from tests.agents.actors import ACT, SEARCH
from tests.agents.intercode.tools import PARAMS as INTERCODE
from tests.agents.robot_code.tools import PARAMS

pytestmark = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


def baselines(tmp_path: Path, source: Callable[..., Path], mint: str = "bundled") -> dict[str, dict[str, object]]:
    blocks = {"mint": ACT | SEARCH, "alfworld": ACT | {"engine": "household"}, "robocodegen": PARAMS}
    blocks |= {"intercode_sql": INTERCODE | {"server": "sqlite"}}
    blocks |= {f"intercode_{name}": INTERCODE | {"root": "host"} for name in ("bash", "ctf")}
    (tmp_path / "params.yaml").write_text(json.dumps(blocks), encoding="utf-8")
    folders = (source("mint", mint), *map(source, ("alfworld", "mint", "intercode", "robocodegen")))
    stage.agent_baselines(stage.Params(), tmp_path / "params.yaml", *folders, result=tmp_path / "result.json")
    return dict(read_json(tmp_path / "result.json")["baselines"])


def test_references_and_constants(source: Callable[..., Path], tmp_path: Path) -> None:
    found = baselines(tmp_path, source)
    assert found["mint"]["asked"] == 24 and found["mint_mmlu"]["asked"] == 3

    def score(part: str, rule: str, kind: str) -> object:
        return found[part]["metrics"][f"success,{rule}"][kind]  # type: ignore[index,call-overload]

    assert score("mint", "strict", "reference") == 1.0
    assert score("mint_math", "paper", "reference") == pytest.approx(2 / 3)  # no negative reference is ever met
    assert score("mint_code", "paper", "constant") == 0.0
    # A word with many letters "names" the right option of two questions of three.
    assert score("mint_mmlu", "paper", "constant") == pytest.approx(2 / 3)
    assert score("mint_mmlu", "strict", "constant") == pytest.approx(1 / 3)
    assert (score("alfworld", "paper", "constant"), score("alfworld", "strict", "constant")) == (1.0, 0.0)
    assert score("alfworld", "strict", "reference") == 1.0
    assert {score("robocodegen", rule, "reference") for rule in ("paper", "strict")} == {1.0}
    assert {score("intercode_sql", rule, "reference") for rule in ("paper", "strict")} == {1.0}
    assert score("intercode_sql", "strict", "constant") == 0.0


@pytest.mark.skipif(roots.why_no_namespaces() is not None, reason=str(roots.why_no_namespaces()))
def test_references_and_constants_of_commands(source: Callable[..., Path], tmp_path: Path) -> None:
    found = baselines(tmp_path, source, "none")
    for part in ("intercode_bash", "intercode_ctf"):
        assert {values["reference"] for values in found[part]["metrics"].values()} == {1.0}  # type: ignore[attr-defined]
    # Each of the three flags opens its own task.
    assert {values["constant"] for values in found["intercode_ctf"]["metrics"].values()} == {1 / 3}  # type: ignore[attr-defined]


def test_a_source_that_is_left_out_has_the_reason(source: Callable[..., Path], tmp_path: Path) -> None:
    assert baselines(tmp_path, source, "none")["mint"] == {"skipped": "the source mint is left out"}
