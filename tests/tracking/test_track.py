"""The variant's key depends on parameters and results, and on nothing else."""

import ast
import json
import sys
from pathlib import Path

import pytest

from lemur import __main__ as cli
from lemur.tracking.provenance import original_checkout
from lemur.tracking.track import Params, track
from lemur.tracking.variant import identity, read
from tests.reporting.example import build, skip

ROOT = Path(__file__).parents[2]
PARAMS = "mmlu: {limit: null, shots: [1, 2]}\nbase_model: {steps: 120}\ntrack: {}\n"


def checkout(root: Path, params: str = PARAMS, code_loss: float = 2.0) -> Path:
    """Write a checkout's artifacts below `root` and track them."""
    reports = build(root / "reports", code_loss=code_loss)
    (reports / "summary").mkdir()
    (reports / "summary/report.md").write_text("# Results\n", encoding="utf-8")
    (root / "params.yaml").write_text(params, encoding="utf-8")
    (root / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    run(root)
    return root


def run(root: Path) -> str:
    reports = root / "reports"
    folders = (reports / "stages", reports / "training", reports / "eval", reports / "summary")
    track(Params(), root / "params.yaml", *folders, variant=reports / "variant.json")
    return str(json.loads((reports / "variant.json").read_text(encoding="utf-8"))["key"])


def test_the_key_does_not_depend_on_place_comments_order_or_hidden_files(tmp_path: Path) -> None:
    first = run(checkout(tmp_path / "one"))
    other = checkout(
        tmp_path / "two", "# a comment\ntrack: {}\nbase_model:\n  steps: 120\nmmlu: {shots: [1, 2], limit: null}\n"
    )
    (other / "reports/eval/base/.mmlu.json.partial").write_text("{}", encoding="utf-8")
    assert run(other) == first
    assert (other / "reports/variant.json").read_bytes() == (tmp_path / "one/reports/variant.json").read_bytes()


def test_each_parameter_result_curve_and_count_changes_the_variant(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    keys = [run(root)]
    (root / "params.yaml").write_text(PARAMS.replace("120", "121"), encoding="utf-8")
    keys.append(run(root))
    skip(root / "reports", "base", "humaneval", "no sandbox")
    keys.append(run(root))
    curve = root / "reports/training/lemur.csv"
    curve.write_text(curve.read_text(encoding="utf-8").replace("0.01", "0.02"), encoding="utf-8")
    keys.append(run(root))
    (root / "reports/stages/normalise.json").unlink()
    keys.append(run(root))
    assert len(set(keys)) == 5


def test_the_report_and_the_commit_are_not_part_of_the_key(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    before = run(root)
    (root / "reports/summary/report.md").write_text("# Other words\n", encoding="utf-8")
    assert run(root) == before
    record = identity(root / "params.yaml", {"results": root / "reports/eval"})
    assert record["models"] == {"Base": "sha256:base", "Lemur": "sha256:lemur", "Lemur-Chat": "sha256:lemur_chat"}


def test_metrics_omit_skipped_benchmarks(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    skip(root / "reports", "base", "humaneval", "no sandbox")
    metrics = read(root).metrics
    assert metrics["mmlu/lemur_chat/acc"] == 0.25
    assert metrics["humaneval/lemur/pass_at_1_strict"] == 0.25
    assert metrics["bits_per_byte/base/code"] == 1.9
    assert metrics["counts/english_filter/dropped/language"] == 10
    assert metrics["training/base/loss"] == pytest.approx(2.07, abs=0.01)
    assert not [name for name in metrics if name.startswith("humaneval/base/")]


def test_missing_artifacts_are_reported_with_the_command_that_builds_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"reports/variant\.json is missing; .* builds it"):
        read(tmp_path)


@pytest.mark.parametrize("folder", [".dvc/tmp/exps/temp/tmpabc", ".dvc/tmp/exps/tmpabc", "."])
def test_a_queued_experiment_belongs_to_its_original_checkout(tmp_path: Path, folder: str) -> None:
    assert original_checkout(tmp_path / folder) == tmp_path.resolve()


def test_only_the_store_and_live_curves_import_mlflow() -> None:
    importers = set()
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "mlflow" for name in names):
                importers.add(path.name)
    assert importers == {"store.py", "registry.py", "live.py"}


@pytest.mark.parametrize(("command", "function"), [("ui", "ui.ui"), ("track", "project.project")])
def test_commands_in_a_subfolder_use_the_checkout(command: str, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roots: list[Path] = []
    monkeypatch.setattr(f"lemur.tracking.{function}", lambda root, **_: roots.append(root) or True)
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setattr(sys, "argv", ["lemur", command])
    if command == "ui":
        cli.main()
    else:
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    assert roots == [ROOT]
