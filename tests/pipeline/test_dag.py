"""dvc.yaml, params.yaml and the code agree: names, arguments, paths, declared keys. All in one process."""

import inspect
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.dvcfile import Lockfile
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, modify_yaml, parse_yaml

from lemur.core.files import DAG, ENVIRONMENT, PARAMS, ROOT, flatten, read_yaml
from lemur.core.parameter_blocks import current_blocks, stage_of
from lemur.core.scales import names
from lemur.pipeline.build import dependencies, locks
from lemur.pipeline.build.dag import Dag
from lemur.pipeline.build.dependencies import write
from lemur.pipeline.build.dvc_job import modify_entries, read_entry
from lemur.pipeline.build.run_stage import bind
from lemur.pipeline.build.validation import check_environment, stage_module, validate, validate_all
from tests.tools import checkout_dag

STAGES: dict[str, Any] = read_yaml(DAG)["stages"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_its_module_and_its_test_share_a_name(name: str) -> None:
    stage = STAGES[name]
    folder, _, module_name = stage_of(stage["cmd"]).partition(".")
    module = stage_module(f"{folder}.{module_name}")
    assert module_name == name
    assert inspect.isfunction(getattr(module, name))
    assert (ROOT / f"tests/{folder}/test_{name}.py").is_file()
    assert name in read_yaml(PARAMS)


@pytest.mark.parametrize("name", STAGES)
def test_command_binds_the_functions_arguments_to_declared_paths(name: str) -> None:
    stage = STAGES[name]
    bindings = [word for word in stage["cmd"].split() if "=" in word and not word.startswith("PYTHONPATH")]
    inputs, outputs = bind(stage_module(stage_of(stage["cmd"])), name, bindings)
    declared = [
        next(iter(entry)) if isinstance(entry, dict) else entry
        for kind in ("outs", "metrics", "plots")
        for entry in stage.get(kind, [])
    ]
    assert {str(path) for path in outputs.values()} == {path.rstrip("/") for path in declared}
    files_of_values = [name for entry in stage["params"] if isinstance(entry, dict) for name in entry]
    deps = [Path(path) for path in [*stage["deps"], *files_of_values]]
    for path in inputs.values():
        assert path in deps or any(path in dep.parents for dep in deps), path


def test_dvc_reads_fewer_than_a_hundred_stages_with_unique_rule_names() -> None:
    stages = checkout_dag().stages
    assert len({stage.rule for stage in stages.values()}) == len(stages) < 100
    assert all(stage.desc != stage.name for stage in stages.values())


def test_a_containers_user_needs_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _number: {}["no such user"])
    assert Dag().changed() <= set(checkout_dag().stages)


def test_lock_has_no_entry_of_a_removed_stage() -> None:
    """DVC keeps such entries; the entry of a renamed stage must be removed by hand."""
    assert set(read_yaml(ROOT / "dvc.lock")["stages"]) <= set(checkout_dag().stages)


def test_lock_has_no_dependency_that_its_stage_no_longer_declares() -> None:
    """DVC does not miss it, so the stage does not run again, but a build from nothing records another dvc.lock."""
    stages = checkout_dag().stages
    left = {
        name: {dep["path"] for dep in entry.get("deps", [])} - {path for path in stages[name].inputs}
        for name, entry in read_yaml(ROOT / "dvc.lock")["stages"].items()
    }
    assert {name: paths for name, paths in left.items() if paths} == {}


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("others", [0, 1, 5])
def test_jobs_write_the_same_dvc_lock_as_dvc(tmp_path: Path, others: int, present: bool) -> None:
    """DVC rewrites all of it, `dvc_job` only a stage's entry."""
    stages = read_yaml(ROOT / "dvc.lock")["stages"]
    names = ["report", "mmlu@base", "fetch@oasst1", "continued_pretraining", "track"]
    for name in names:
        entry = {**stages[name], "cmd": "a command that is so long that it has to be folded " * 3}
        kept = {other: stages[other] for other in names[:others] if other != name or present}
        written = []
        for modify in (modify_yaml, modify_entries):
            path = tmp_path / "dvc.lock"
            path.write_text(dumps_yaml({"schema": "2.0", "stages": kept}), encoding="utf-8") if kept else path.unlink(
                missing_ok=True
            )
            with modify(str(path)) as data:
                data.setdefault("schema", "2.0")
                data.setdefault("stages", {}).update({name: entry})
            written.append(path.read_text(encoding="utf-8"))
        assert written[0] == written[1]
        assert set(parse_yaml(written[1], path)["stages"]) == {*kept, name}


@pytest.mark.parametrize("name", ["report", "mmlu@base", "fetch@oasst1", "nosuch"])
def test_jobs_read_their_entry_of_dvc_lock_as_dvc_does(name: str) -> None:
    path = str(ROOT / "dvc.lock")
    entries = Lockfile(Repo(str(ROOT)), path).load()["stages"]
    data, _ = read_entry(name, path)
    assert data["stages"] == ({name: entries[name]} if name in entries else {})


def test_dvc_lock_has_dvcs_format() -> None:
    text = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    assert dumps_yaml(parse_yaml(text, "dvc.lock")) == text


def test_what_the_first_training_needs_starts_before_anything_else() -> None:
    """Of `make reproduce`, the three trainings in a row determine the length: more than half of its time."""
    dag = checkout_dag()
    needed = {name for name in dag.stages if "base_model" in dag.descendants([name])} - {"base_model"}
    first = min(dag.priority(name) for name in needed)
    assert len(needed) > 20
    assert all(dag.priority(name) < first for name in dag.stages.keys() - needed)


def test_no_stage_depends_on_a_file_inside_another_stages_directory() -> None:
    dag = checkout_dag()
    folders = [Path(path) for stage in dag.stages.values() for path in stage.outputs if path.endswith("/")]
    for stage in dag.stages.values():
        for path in stage.inputs:
            assert not any(folder in Path(path).parents for folder in folders), (stage.name, path)


def test_params_are_valid_and_every_leaf_is_declared() -> None:
    dag = read_yaml(DAG)
    validate_all(dag)
    check_environment(dag)


def test_declared_code_and_libraries_are_up_to_date() -> None:
    assert write(check=True) == []


def test_no_compiled_file_is_declared() -> None:
    """A string "__pycache__" in a module looks like the name of a folder beside it."""
    assert "__pycache__" not in DAG.read_text(encoding="utf-8")
    assert "__pycache__" not in (ROOT / "dvc.lock").read_text(encoding="utf-8")


def test_outdated_declarations_are_listed_by_stage_as_added_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = {
        DAG: [
            ("src/lemur/core/records.py", "src/lemur/gone.py"),
            ("packages.datasets, ", ""),
        ],
        ENVIRONMENT: [("  numpy: ", "  other: 1\n  numpy: 0.")],
    }
    for path, replacements in edits.items():
        text = path.read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(dependencies, "DAG", tmp_path / DAG.name)
    monkeypatch.setattr(dependencies, "ENVIRONMENT", tmp_path / ENVIRONMENT.name)
    version = read_yaml(ENVIRONMENT)["packages"]["numpy"]
    drift = [
        "fetch: + environment.yaml packages.datasets",
        "fetch: + src/lemur/core/records.py",
        "fetch: - src/lemur/gone.py",
        f"environment.yaml: - packages.numpy: 0.{version}",
        f"environment.yaml: + packages.numpy: {version}",
        "environment.yaml: - packages.other: 1",
    ]
    assert write(check=True) == drift
    assert write() == drift
    assert write(check=True) == []


def test_scales_are_valid_and_list_only_differences_from_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lemur.core import scales as scale
    from lemur.pipeline.build import validation

    scales = {name: flatten(read_yaml(ROOT / f"scales/{name}.yaml")) for name in names()}
    assert set(scales) >= {"demo", "tiny", "small", "paper", "mirror"}
    demo = scales["demo"]
    assert all(demo.get(key, ...) != value for name in scales for key, value in scales[name].items() if name != "demo")
    committed_params, committed_demo = (
        flatten(
            yaml.safe_load(
                subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, capture_output=True, check=True).stdout
            )
        )
        for name in ("params.yaml", "scales/demo.yaml")
    )
    assert committed_demo == {key: committed_params[key] for key in committed_demo}, "commit params.yaml at demo scale"
    # The file here, not in HEAD: it may have the block of a stage, or the values of a scale, that is not committed yet.
    params = tmp_path / "params.yaml"
    params.write_bytes(PARAMS.read_bytes())
    scale.switch("demo", params=params)
    renamed: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(validation, "PARAMS", params)
    monkeypatch.setattr(Path, "replace", lambda path, to: renamed.append(path.name) or replace(path, to))
    written = {"demo": params.read_bytes()}
    for name in names():
        params.write_bytes(written["demo"])
        scale.switch(name, params=params)
        validate_all(read_yaml(DAG))
        assert scale.differences(name, params) == {}
        written[name] = params.read_bytes()
    for name in names():
        for other in names():
            params.write_bytes(written[name])
            scale.switch(other, params=params)
            assert params.read_bytes() == written[other], f"the same file from {name} as from demo"
    assert set(renamed) == {".params.yaml.partial"}, "a name that .gitignore and .dvcignore cover"


def test_scale_keeps_other_values_and_removes_overrides_of_shared_ones(tmp_path: Path) -> None:
    from lemur.core import scales as scale

    params = tmp_path / "params.yaml"
    params.write_bytes(PARAMS.read_bytes())
    scale.switch("demo", params=params)
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("\nmmlu:\n", "\nmmlu:\n  limit: 3\n  backend: server\n"), encoding="utf-8")
    changes = scale.differences("tiny", params)
    assert changes["mmlu.limit"] == (3, scale.SHARED)
    assert "mmlu.backend" not in changes
    scale.switch("demo", params=params)
    assert params.read_text(encoding="utf-8") == text.replace("\nmmlu:\n", "\nmmlu:\n  backend: server\n")


def test_incompatible_values_are_reported_without_the_whole_block() -> None:
    block = {**current_blocks()["continued_pretraining"], "batch_size": 4, "microbatches": 3}
    with pytest.raises(SystemExit) as refused:
        validate(stage_module("training.continued_pretraining"), "continued_pretraining", block)
    message = str(refused.value)
    assert message.startswith("params.yaml: continued_pretraining: batch_size (4)") and len(message) < 200
    with pytest.raises(SystemExit, match=r"^params\.yaml: mmlu\.shots: found 'five'; Input should be"):
        validate(stage_module("evaluation.mmlu"), "mmlu", {**current_blocks()["mmlu"], "shots": "five"})


def test_a_wrong_value_is_reported_once_with_the_block_that_contains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lemur.pipeline.build import validation

    tree = read_yaml(PARAMS)
    tree["asking"]["tile"] = "many"
    tree["gsm8k"]["tile"] = "few"
    tree["training"]["mesh"]["data"] = 0
    tree["spider"]["shots"] = 3
    del tree["sampling"]["k"]
    monkeypatch.setattr(validation, "PARAMS", tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.raises(SystemExit) as refused:
        validate_all(read_yaml(DAG))
    starts = [line.split(": ")[1] for line in str(refused.value).splitlines()]
    missing = [f"{name}.k" for name in ("ds1000", "humaneval", "mbpp", "multipl_e")]
    assert sorted(starts) == sorted(["asking.tile", "gsm8k.tile", "training.mesh.data", "spider.shots", *missing])
    del tree["asking"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"params\.yaml: asking: this block is missing"):
        validate_all(read_yaml(DAG))


def test_a_stage_without_a_module_is_reported() -> None:
    with pytest.raises(SystemExit, match=r"^no stage 'evaluation\.nosuch': .* src/lemur/FOLDER/STAGE\.py$"):
        stage_module("evaluation.nosuch")


def test_a_job_of_a_build_does_not_wait_for_dvcs_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a cluster, where each job reads the DAG, the last of many that start at once would wait for minutes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "WAIT_S", 0)
    repo = Repo.init(str(tmp_path), no_scm=True)
    (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: echo a, outs: [a]}}", encoding="utf-8")
    with repo.lock:
        assert set(Dag(tmp_path, in_job=True).stages) == {"a"}
        with pytest.raises(SystemExit, match="still holds DVC's lock after 0 s"):
            Dag(tmp_path)


def test_a_busy_lock_names_the_build_without_dvcs_advice(tmp_path: Path) -> None:
    error = LockError("'a' is busy, it is being blocked by:\n  (PID 1): dvc\n\nIf there are no processes with such")
    assert locks._describe_holder(error, tmp_path) == "'a' is busy, it is being blocked by:\n  (PID 1): dvc"
    (tmp_path / locks.BUILD_LOCK).parent.mkdir()
    (tmp_path / locks.BUILD_LOCK).write_text(f"PID {os.getppid()}, snakemake", encoding="utf-8")
    assert locks._describe_holder(error, tmp_path).endswith(f"\nThe build: PID {os.getppid()}, snakemake")


def test_an_unknown_scale_and_a_scale_with_an_unknown_parameter_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lemur.core import scales as scale
    from lemur.planning import data_plan

    (tmp_path / "demo.yaml").write_text("mmlu: {shots: 3}", encoding="utf-8")
    (tmp_path / "odd.yaml").write_text("mmlu: {shotz: 3}", encoding="utf-8")
    monkeypatch.setattr(scale, "SCALES", tmp_path)
    for read in (scale.differences, scale.leaves, lambda name: data_plan.plan(name, cores=1)):
        with pytest.raises(SystemExit, match=r"^odd\.yaml: not in params\.yaml: mmlu\.shotz$"):
            read("odd")
        with pytest.raises(SystemExit, match=r"^scale 'huge' is not known; the scales are demo, odd$"):
            read("huge")
