"""Every leaf of params.yaml and environment.yaml: which stages DVC finds changed, in one process. About 15 s.

That these are the stages that `snakemake -n` plans is seen in tests/exact/test_leaves.py, with the real tools.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from dvc.dependency import param
from dvc.dependency.param import ParamsDependency, read_param_file
from dvc.repo import Repo
from dvc.utils.serialize import load_path

from lemur.core.files import DAG, ENVIRONMENT, PARAMS, flatten, read_yaml
from lemur.pipeline.build import validation
from lemur.pipeline.build.dag import Dag
from lemur.pipeline.build.validation import check_environment, validate_all
from tests.leaves import another, declaring, replaced, written

STAGES = read_yaml(DAG)
LEAVES = [(path.name, leaf) for path in (PARAMS, ENVIRONMENT) for leaf in flatten(read_yaml(path))]
BLOCKS = {leaf.rpartition(".")[0] for name, leaf in LEAVES if name == PARAMS.name}
# Keyed by a source's name, of any source: one that the data has and the map lacks stops the stage.
FREE = {"mix_instructions.sources", "english_filter.sources"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dag]:
    """The real dvc.yaml, every parameter recorded as it is now, as a build would leave it."""
    root = tmp_path_factory.mktemp("leaves")
    for path in (DAG, PARAMS, ENVIRONMENT):
        shutil.copy(path, root)
    Repo.init(str(root), no_scm=True).close()
    # DVC parses a file anew for every stage that reads it, which is nearly all of the time here.
    known: dict[Any, Any] = {}

    def load_once(path: str, fs: Any) -> Any:
        return remember(("tree", path, Path(path).read_bytes()), lambda: load_path(path, fs))

    def read_once(fs: Any, path: str, keys: list[str] | None = None, **options: Any) -> Any:
        asked = (str(keys), str(options), path, Path(path).read_bytes())
        return remember(asked, lambda: read_param_file(fs, path, keys, **options))

    def remember(asked: Any, answer: Callable[[], Any]) -> Any:
        if asked not in known:
            known[asked] = answer()
        return known[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(param, "load_path", load_once)
        patch.setattr(param, "read_param_file", read_once)
        dag = Dag(root)
        for _, dep in _params(dag):
            dep.save()
        assert _changed(dag) == set()
        yield dag


def _params(dag: Dag) -> list[tuple[str, ParamsDependency]]:
    return [
        (stage.addressing, dep)
        for stage in dag.repo.index.stages
        for dep in stage.deps
        if isinstance(dep, ParamsDependency)
    ]


def _changed(dag: Dag) -> set[str]:
    return {name for name, dep in _params(dag) if dep.status()}


@pytest.mark.parametrize(("name", "leaf"), LEAVES)
def test_a_leaf_changes_exactly_the_stages_that_declare_it(recorded: Dag, name: str, leaf: str) -> None:
    path = Path(recorded.repo.root_dir) / name
    before = path.read_bytes()
    tree = read_yaml(path)
    path.write_text(written(replaced(tree, leaf, another(flatten(tree)[leaf]))), encoding="utf-8")
    changed = _changed(recorded)
    path.write_bytes(before)
    assert changed == declaring(STAGES, name, leaf) != set()
    assert not _changed(recorded), "and back again, nothing has changed"


def test_what_follows_is_what_dvcs_own_graph_says(recorded: Dag) -> None:
    graph = recorded.repo.index.graph
    by_name = {stage.addressing: stage for stage in graph}
    for name in recorded.stages:
        followers = {stage.addressing for stage in nx.ancestors(graph, by_name[name])}
        assert recorded.descendants([name]) == followers | {name}
    assert recorded.descendants([]) == set()


@pytest.mark.parametrize("block", sorted(BLOCKS - FREE))
def test_a_leaf_of_params_that_no_stage_declares_is_an_error(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = tmp_path / "params.yaml"
    leaf = f"{block}.undeclared".removeprefix(".")
    params.write_text(written(replaced(read_yaml(PARAMS), leaf, 1)), encoding="utf-8")
    monkeypatch.setattr(validation, "PARAMS", params)
    with pytest.raises(SystemExit, match=rf"params\.yaml: {leaf}"):
        validate_all(STAGES)


@pytest.mark.parametrize("leaf", ["packages.undeclared", "undeclared"])
def test_a_leaf_of_the_environment_that_no_stage_declares_is_an_error(leaf: str, tmp_path: Path) -> None:
    environment = tmp_path / "environment.yaml"
    environment.write_text(written(replaced(read_yaml(ENVIRONMENT), leaf, 1)), encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"environment\.yaml: {leaf}: no stage"):
        check_environment(STAGES, environment)
