"""What a GPU needs, as far as a machine without one can tell: the lock, the numerics profile, benchmarks/gpu.py."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from benchmarks import gpu
from lemur.core.numerics import apply_numerics
from lemur.core.versions import locked
from tests.tools import ROOT

LOSSES = [8.0, 7.5]
LETTERS = [{" A": -1.0, " B": -2.0}, {" A": -3.0, " B": -2.0}]


def results(**changes: Any) -> dict[str, dict[str, Any]]:
    """Of parts that agree with the CPU exactly; `changes` to the device's."""
    training = {"losses": LOSSES, "weights": "f00d"}
    return {
        "training, demo": {**training, **{key: changes[key] for key in changes if key != "logprobs"}},
        "training, demo, again": training,
        "training, demo, CPU": {**training, "weights": "cafe"},
        "mmlu, device": {"logprobs": changes.get("logprobs", LETTERS)},
        "mmlu, CPU": {"logprobs": LETTERS},
    }


def holds(given: dict[str, dict[str, Any]]) -> list[bool]:
    return [check["holds"] for check in gpu.compare(given)]


def test_a_difference_within_the_tolerance_holds_and_a_larger_one_does_not() -> None:
    assert holds(results()) == [True, True, True, True]
    assert holds(results(losses=[8.0, 7.5009])) == [True, True, True, True]
    assert holds(results(losses=[8.0, 7.5011])) == [False, True, True, True]
    assert holds(results(losses=[8.0, float("nan")])) == [False, True, True, True]
    assert holds(results(weights="beef")) == [True, False, True, True]
    assert holds(results(logprobs=[LETTERS[0], {" A": -2.9, " B": -2.0}])) == [True, True, False, True]
    assert holds(results(logprobs=[LETTERS[0], {" A": -1.9, " B": -2.0}])) == [True, True, False, False]


def test_a_part_that_failed_cannot_hold() -> None:
    assert holds({**results(), "mmlu, device": {"error": "out of memory"}}) == [True, True, False, False]


def test_the_profile_of_the_docs_is_the_benchmarks_and_asks_for_real_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/accelerators.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block and YAML(typ="safe").load(block[1])["numerics"] == gpu.NUMERICS
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    apply_numerics(gpu.NUMERICS)
    assert os.environ["JAX_DEFAULT_MATMUL_PRECISION"] == "highest"
    assert os.environ["JAX_PLATFORMS"] == "cuda" and "NPROC" not in os.environ
    os.environ.clear()
    apply_numerics({**gpu.NUMERICS, "platform": "cpu"})
    assert "JAX_DEFAULT_MATMUL_PRECISION" not in os.environ


def test_cudas_lock_has_the_versions_of_the_core_and_hashes_and_no_addresses() -> None:
    text = (ROOT / "requirements/cuda.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    assert {name: version for name, version in pins.items() if name in locked()}.items() <= locked().items()
    assert pins["jax-cuda12-plugin"] == locked()["jax"]
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text.strip()))
    assert "://" not in text and "--index" not in text


@pytest.mark.slow
def test_the_benchmark_runs_on_a_cpu_and_agrees_with_itself(tmp_path: Path) -> None:
    if not (ROOT / "models/lemur_chat/config.json").exists():
        pytest.skip("no build here; `make reproduce` first")
    command = [sys.executable, ROOT / "benchmarks/gpu.py", "--device=cpu", "--tiny", f"--out={tmp_path}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert [check["found"] for check in found["checks"]] == [0, True, 0, 0]
    assert all(part["rate"] > 0 for part in found["parts"].values())
    assert "| training, 1b |" in (tmp_path / "gpu.md").read_text(encoding="utf-8")
