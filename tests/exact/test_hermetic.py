"""A stage is a function of what it declares. About 5 minutes on one core: runs every stage again."""

import hashlib
import shutil
from pathlib import Path

import pytest

from lemur.core.files import DAG, flatten, read_yaml
from lemur.pipeline.build.dag import Dag
from lemur.pipeline.build.dependencies import modules
from tests.exact.conftest import copy, executed_rules, rules
from tests.leaves import declaring_stages, expand_matrix, to_yaml, with_value
from tests.tools import Project

pytestmark = pytest.mark.exact

STAGES = read_yaml(DAG)
# The runner reads from pyproject.toml which libraries are extras and may be missing.
RUNNER = ["src/lemur/__main__.py", "src/lemur/commands", "pyproject.toml"]
RUNNER += [path for dotted in ("pipeline.build.run_stage", "core.environment_variables") for path in modules(dotted)]
TIMESTAMP = ".snakemake_timestamp"  # Snakemake's, in each output directory; .dvcignore has it too


@pytest.mark.parametrize("name", [name for name, _, _ in expand_matrix(STAGES)])
def test_a_stage_needs_only_what_it_declares(built: Project, dag: Dag, name: str, tmp_path: Path) -> None:
    island = Project(tmp_path / "island", {**built.environment, "PYTHONHASHSEED": "0", "LEMUR_WORKERS": "1"})
    for path in {*dag.stages[name].inputs, *RUNNER}:
        put(built.root / path, island.root / path)
    # dvc.yaml has only this stage, and parameters that it does not declare are noise.
    entry = name.partition("@")[0]
    # These read other stages' parameters, so they also read which blocks of params.yaml each of them shares.
    dvc_yaml = STAGES if name in ("track", "baselines") else {"stages": {entry: STAGES["stages"][entry]}}
    (island.root / "dvc.yaml").write_text(to_yaml(dvc_yaml), encoding="utf-8")
    for file in ("params.yaml", "environment.yaml"):
        tree = read_yaml(built.root / file)
        for leaf in flatten(tree):
            if name not in declaring_stages(STAGES, file, leaf):
                tree = with_value(tree, leaf, "noise")
        (island.root / file).write_text(to_yaml(tree), encoding="utf-8")
    [command] = [stage.cmd for stage in dag.repo.index.stages if stage.name == name]

    island.run("bash", "-c", command)

    for path in dag.stages[name].outputs:
        assert contents(island.root / path) == contents(built.root / path), path


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(TIMESTAMP, "__pycache__"))
    else:
        shutil.copy(source, target)


def contents(path: Path) -> dict[str, str]:
    """Hash of each file of an artifact, by its path within the artifact."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    files = [file for file in files if file.name != TIMESTAMP]
    hashes = {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert hashes, f"{path} is empty"
    return hashes


def test_a_comment_reruns_only_the_stages_that_use_the_module(built: Project, dag: Dag, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    module = "src/lemur/tokens/order.py"
    users = {stage.name for stage in dag.stages.values() if any(module.startswith(dep) for dep in stage.inputs)}
    assert users == {"mix_corpus@base", "mix_corpus@lemur", "pack_corpus@base", "pack_corpus@lemur"}
    with (project.root / module).open("a", encoding="utf-8") as file:
        file.write("# A comment.\n")
    assert project.planned() == rules(dag.descendants(users)) > rules(users)
    assert executed_rules(project, "snakemake", "--cores", "2") == rules(users)
    assert project.planned() == set()


def test_files_outside_the_stages_code_plan_nothing(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    for name in ("README.md", "docs/design.md", "Snakefile", "Makefile", "tests/corpus/test_split_corpus.py"):
        with (project.root / name).open("a", encoding="utf-8") as file:
            file.write("\n# A comment.\n")
    (project.root / "src/lemur/corpus/new.py").write_text("imported = 'by nobody'\n", encoding="utf-8")
    assert project.planned() == set()
    assert "up to date" in project.run("dvc", "status")
