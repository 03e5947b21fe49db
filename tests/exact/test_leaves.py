"""What `snakemake -n` plans for a changed leaf of params.yaml or environment.yaml. About 6 minutes on one core.

One leaf of every block, with a value that the stage allows, and every key of the environment. For each leaf,
tests/pipeline/test_leaves.py checks that DVC finds exactly the stages changed that declare it.
"""

from pathlib import Path

import pytest

from lemur.core.files import DAG, ENVIRONMENT, PARAMS, flatten, read_yaml
from lemur.core.parameter_blocks import merged_blocks, own_blocks, shared_blocks
from lemur.pipeline.build.dag import Dag
from lemur.pipeline.build.validation import block, stage_module
from tests.exact.conftest import copy, rules
from tests.leaves import declaring_stages, different_value, to_yaml, valid_value, with_value
from tests.tools import Project

pytestmark = pytest.mark.exact

STAGES = read_yaml(DAG)
TREE = read_yaml(PARAMS)
OWN = own_blocks(TREE, STAGES)
# Each shared block with the own block of a stage that it is merged into.
BLOCKS = {name: own for own, names in shared_blocks(STAGES).items() for name in names}
BLOCKS |= {key: key for key in OWN if block(TREE, key)}


@pytest.fixture(scope="module")
def project(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy(built, tmp_path_factory.mktemp("leaves"))


def plan(project: Project, file: str, leaf: str, value: object) -> set[str]:
    """The rules planned with another value; restores the file afterwards."""
    path = project.root / file
    before = path.read_bytes()
    path.write_text(to_yaml(with_value(read_yaml(path), leaf, value)), encoding="utf-8")
    planned = project.planned()
    path.write_bytes(before)
    return planned


def a_valid_change(project: Project, key: str) -> tuple[str, object]:
    """The first leaf of a block of params.yaml that allows another value, and that value."""
    tree = read_yaml(project.root / "params.yaml")
    values = block(merged_blocks(tree, STAGES), BLOCKS[key])
    model = stage_module(OWN[BLOCKS[key]]).Params
    for leaf in flatten(block(tree, key)):
        try:
            return f"{key}.{leaf}", valid_value(model, values, leaf)
        except LookupError:
            continue
    raise LookupError(f"no leaf of {key} allows another value")


@pytest.mark.parametrize("key", BLOCKS)
def test_a_parameter_plans_the_stages_that_declare_it_and_what_follows(project: Project, dag: Dag, key: str) -> None:
    leaf, value = a_valid_change(project, key)
    expected = dag.descendants(declaring_stages(STAGES, "params.yaml", leaf))
    assert plan(project, "params.yaml", leaf, value) == rules(expected)


@pytest.mark.parametrize("leaf", flatten(read_yaml(ENVIRONMENT)))
def test_an_environment_key_plans_the_stages_that_declare_it_and_what_follows(
    project: Project, dag: Dag, leaf: str
) -> None:
    value = different_value(flatten(read_yaml(project.root / "environment.yaml"))[leaf])
    expected = dag.descendants(declaring_stages(STAGES, "environment.yaml", leaf))
    assert plan(project, "environment.yaml", leaf, value) == rules(expected)


def test_nothing_has_changed_in_the_end(project: Project) -> None:
    assert project.planned() == set()


def test_a_fresh_clone_after_pull_plans_the_same(built: Project, dag: Dag, tmp_path: Path) -> None:
    project = copy(built, tmp_path / "first")
    for checkout in (project, clone := project.clone(tmp_path / "second")):
        checkout.lemur("remote", str(tmp_path / "store"))
    project.run("dvc", "push", "-q")
    clone.lemur("pull")
    assert clone.planned() == set()
    for key in ("fetch.arxiv", "english_filter", "mmlu"):
        leaf, value = a_valid_change(clone, key)
        expected = dag.descendants(declaring_stages(STAGES, "params.yaml", leaf))
        assert plan(clone, "params.yaml", leaf, value) == rules(expected)
