"""For every leaf of params.yaml and environment.yaml, the stages that DVC finds changed, in one process. About 15 s.

tests/exact/test_leaves.py checks with the real tools that `snakemake -n` plans the same stages.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
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
from tests.leaves import declaring_stages, different_value, to_yaml, with_value

STAGES = read_yaml(DAG)
LEAVES = [(path.name, leaf) for path in (PARAMS, ENVIRONMENT) for leaf in flatten(read_yaml(path))]
BLOCKS = {leaf.rpartition(".")[0] for name, leaf in LEAVES if name == PARAMS.name}
# Maps with any source's name as key: a source that is in the data but not in the map stops the stage.
FREE = {"mix_instructions.sources", "english_filter.sources"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dag]:
    """The real dvc.yaml with the present value of every parameter recorded, as after a build."""
    root = tmp_path_factory.mktemp("leaves")
    for path in (DAG, PARAMS, ENVIRONMENT):
        shutil.copy(path, root)
    Repo.init(str(root), no_scm=True).close()
    # Almost all of the time here would be DVC parsing a file again for every stage that reads it.
    cached: dict[Any, Any] = {}

    def load_once(path: str, fs: Any) -> Any:
        return cached_result(("tree", path, Path(path).read_bytes()), lambda: load_path(path, fs))

    def read_once(fs: Any, path: str, keys: list[str] | None = None, **options: Any) -> Any:
        key = (str(keys), str(options), path, Path(path).read_bytes())
        return cached_result(key, lambda: read_param_file(fs, path, keys, **options))

    def cached_result(key: Any, compute: Callable[[], Any]) -> Any:
        if key not in cached:
            cached[key] = compute()
        return cached[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(param, "load_path", load_once)
        patch.setattr(param, "read_param_file", read_once)
        dag = Dag(root)
        for _, dep in _params(dag):
            dep.save()
        # What is left would be `dpath`, which compares every path of a tree with every key.
        patch.setattr(param, "dpath", SimpleNamespace(get=_get))
        cached.clear()
        assert _changed(dag) == set()
        yield dag
        assert _changed(dag) == set(), "the old values again: nothing has changed"


def _get(tree: Any, key: str, separator: str) -> Any:
    for part in key.split(separator):
        if not isinstance(tree, dict):
            raise KeyError(key)
        tree = tree[part]
    return tree


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
    path.write_text(to_yaml(with_value(tree, leaf, different_value(flatten(tree)[leaf]))), encoding="utf-8")
    changed = _changed(recorded)
    path.write_bytes(before)
    assert changed == declaring_stages(STAGES, name, leaf) != set()


def test_descendants_are_those_of_dvcs_own_graph(recorded: Dag) -> None:
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
    params.write_text(to_yaml(with_value(read_yaml(PARAMS), leaf, 1)), encoding="utf-8")
    monkeypatch.setattr(validation, "PARAMS", params)
    with pytest.raises(SystemExit, match=rf"(?m)^params\.yaml(:\d+)?: {leaf}: "):
        validate_all(STAGES)


@pytest.mark.parametrize("leaf", ["packages.undeclared", "undeclared"])
def test_a_leaf_of_the_environment_that_no_stage_declares_is_an_error(leaf: str, tmp_path: Path) -> None:
    environment = tmp_path / "environment.yaml"
    environment.write_text(to_yaml(with_value(read_yaml(ENVIRONMENT), leaf, 1)), encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"environment\.yaml: {leaf}: no stage"):
        check_environment(STAGES, environment)
