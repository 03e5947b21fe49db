"""A stage is a function of what it declares. About 5 minutes on one core: every stage is run once more."""

import hashlib
import shutil
from pathlib import Path

import pytest

from lemur.core.files import DAG, flatten, read_yaml
from lemur.pipeline.build.dag import Dag
from lemur.pipeline.build.dependencies import modules
from tests.exact.conftest import copy, ran, rules
from tests.leaves import declaring, expanded, replaced, written
from tests.tools import Project

pytestmark = pytest.mark.exact

STAGES = read_yaml(DAG)
# It asks pyproject.toml which libraries may be missing, being extras.
RUNNER = ["src/lemur/__main__.py", "src/lemur/commands", *modules("pipeline.build.run"), "pyproject.toml"]
SNAKEMAKES = ".snakemake_timestamp"  # in each directory that it made; DVC is told to ignore it


@pytest.mark.parametrize("name", [name for name, _, _ in expanded(STAGES)])
def test_a_stage_makes_the_same_of_what_it_declares_alone(built: Project, dag: Dag, name: str, tmp_path: Path) -> None:
    island = Project(tmp_path / "island", {**built.environment, "PYTHONHASHSEED": "0", "LEMUR_WORKERS": "1"})
    for path in {*dag.stages[name].inputs, *RUNNER}:
        put(built.root / path, island.root / path)
    # It has dvc.yaml to itself, and what it does not declare of the parameters is noise.
    entry = name.partition("@")[0]
    (island.root / "dvc.yaml").write_text(written({"stages": {entry: STAGES["stages"][entry]}}), encoding="utf-8")
    for file in ("params.yaml", "environment.yaml"):
        tree = read_yaml(built.root / file)
        for leaf in flatten(tree):
            if name not in declaring(STAGES, file, leaf):
                tree = replaced(tree, leaf, "noise")
        (island.root / file).write_text(written(tree), encoding="utf-8")
    [command] = [stage.cmd for stage in dag.repo.index.stages if stage.name == name]

    island.run("bash", "-c", command)

    for path in dag.stages[name].outputs:
        assert contents(island.root / path) == contents(built.root / path), path


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(SNAKEMAKES, "__pycache__"))
    else:
        shutil.copy(source, target)


def contents(path: Path) -> dict[str, str]:
    """Hash of each file of an artifact, by its path in it."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    files = [file for file in files if file.name != SNAKEMAKES]
    hashes = {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert hashes, f"{path} is empty"
    return hashes


def test_a_comment_reruns_the_stages_of_its_module_and_nothing_after_them(
    built: Project, dag: Dag, tmp_path: Path
) -> None:
    project = copy(built, tmp_path)
    module = "src/lemur/tokens/order.py"
    users = {stage.name for stage in dag.stages.values() if any(module.startswith(dep) for dep in stage.inputs)}
    assert users == {"mix_corpus@base", "mix_corpus@lemur", "pack_corpus@base", "pack_corpus@lemur"}
    with (project.root / module).open("a", encoding="utf-8") as file:
        file.write("# A comment.\n")
    assert project.planned() == rules(dag.descendants(users)) > rules(users)
    assert ran(project, "snakemake", "--cores", "2") == rules(users)
    assert project.planned() == set()


def test_what_is_no_code_of_a_stage_plans_nothing(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    for name in ("README.md", "docs/design.md", "Snakefile", "Makefile", "tests/corpus/test_split_corpus.py"):
        with (project.root / name).open("a", encoding="utf-8") as file:
            file.write("\n# A comment.\n")
    (project.root / "src/lemur/corpus/new.py").write_text("imported = 'by nobody'\n", encoding="utf-8")
    assert project.planned() == set()
    assert "up to date" in project.run("dvc", "status")
