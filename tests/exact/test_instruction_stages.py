"""Kills every instruction stage with kill -9 while it writes; runs the English filter with more workers than cores.

About 1 minute; no build is needed.
"""

import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from lemur.core.files import read_yaml
from lemur.core.records import read_json, write_jsonl
from lemur.instructions.conversations import read_conversations
from tests.exact.conftest import from_scratch, variables
from tests.instructions.builders import SOURCES, fetched, tokenizer_folder
from tests.processes import Build, running_in, until
from tests.tools import Project

pytestmark = pytest.mark.exact

BENCHMARKS = ("mmlu", "gsm8k", "humaneval", "bbh", "mbpp", "spider", "multipl_e", "ds1000", "agents")
REPORTS = ("normalise", "english_filter", "semantic_dedup_text", "semantic_dedup_code", "mix_instructions")
SENTENCE = "could you explain why the {} is {} than the {} and what that means for a {} in the {} of the year please"
WORDS = ["river", "mountain", "garden", "window", "letter", "farmer", "market", "winter", "sailor", "bridge", "answer"]
STAGES: dict[str, tuple[str, list[str], list[str]]] = {
    "normalise": ("", ["sources"], ["conversations", "rejects", "report"]),
    "english_filter": ("", ["conversations"], ["kept", "rejects", "report"]),
    "embed_instructions": ("", ["conversations", "embedding_model"], ["vectors", "report"]),
    "semantic_dedup": ("semantic_dedup.text", ["conversations", "vectors"], ["kept", "rejects", "report"]),
    "mix_instructions": ("", ["text", "code", "benchmarks"], ["instructions", "rejects", "report"]),
    "instruction_dataset": ("", ["instructions", *REPORTS], ["dataset"]),
    "encode_instructions": ("", ["instructions", "tokenizer"], ["shards", "report"]),
}
"""For each stage: its block of params.yaml if it has another name, its inputs and its outputs."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone of HEAD at scale tiny, nothing built; all of ShareGPT is in the mix."""
    folder = tmp_path_factory.mktemp("clone")
    project = Project(folder / "lemur", {**variables(folder), "LEMUR_WORKERS": "3"})
    from_scratch(project)
    project.set("    sharegpt: 8 ", "    sharegpt: null ")
    return project


@pytest.fixture(scope="module")
def undisturbed(project: Project) -> dict[str, dict[str, Path]]:
    """The paths of each stage's inputs and outputs; the outputs come from an uninterrupted run."""
    folder = project.root.with_name("data")
    paths = _sources(folder)
    bindings = {}
    for stage, (_, inputs, outputs) in STAGES.items():
        bound = {name: paths[name] for name in inputs} | {name: folder / stage / f"{name}.out" for name in outputs}
        project.run(*_command(stage, bound))
        bindings[stage] = bound
        paths |= {name: bound[name] for name in outputs} | {stage: bound.get("report", folder)}
        # Each stage reads the outputs of the one before; here the deduplication has a single group.
        paths |= {"conversations": bound["kept"]} if stage == "english_filter" else {}
        if stage == "english_filter":
            paths["text"] = folder / "text.jsonl"
            write_jsonl(paths["text"], read_conversations(bound["kept"]))
        paths |= {f"{stage}_{group}": bound["report"] for group in ("text", "code")} if "report" in bound else {}
    return bindings


def _sources(folder: Path) -> dict[str, Path]:
    generator = random.Random(0)

    def value() -> str:
        return SENTENCE.format(*generator.choices(WORDS, k=5))

    rows = [
        {"id": str(i), "conversations": [{"from": ("human", "gpt")[t % 2], "value": value()} for t in range(4)]}
        for i in range(3000)
    ]
    rows += [{"id": "fr", "conversations": [{"from": "human", "value": "Pourquoi la mer monte-t-elle ici ?"}] * 2}]
    paths = {"sources": folder / "raw", "benchmarks": folder / "benchmarks"}
    for name in SOURCES:
        fetched(paths["sources"] / name, name, {"a.json": ("sharegpt", rows, {})} if name == "sharegpt" else {})
    questions = [
        {"question": f"How many {word}s are there if each of the nine has seven?", "answer": "63"} for word in WORDS
    ]
    for name in BENCHMARKS:
        fetched(paths["benchmarks"] / name, name, {"t.jsonl": (name, questions, {})} if name == "gsm8k" else {})
    paths["tokenizer"] = tokenizer_folder(folder / "tokenizer")
    weights = np.random.default_rng(0).normal(size=(400, 16)).astype(np.float16)
    model: dict[str, Any] = {
        "w.safetensors": ("wordllama", save({"embedding.weight": weights}), {}),
        "t.json": ("wordllama", (paths["tokenizer"] / "tokenizer.json").read_bytes(), {}),
    }
    paths["embedding_model"] = fetched(folder / "embedding_model", "embedding_model", model)
    paths["code"] = folder / "code.jsonl"
    paths["code"].touch()
    return paths


def _command(stage: str, bound: dict[str, Path]) -> list[str]:
    block = STAGES[stage][0]
    named = [f"{name}={path}" for name, path in bound.items()]
    options = ["--params", block] if block else []
    return ["env", "PYTHONPATH=src", "python", "-m", "lemur", "run", f"instructions.{stage}", *options, *named]


def _contents(paths: list[Path]) -> dict[str, bytes]:
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_gives_the_same_bytes_when_restarted(
    project: Project, undisturbed: dict[str, dict[str, Path]], stage: str, tmp_path: Path
) -> None:
    names = STAGES[stage][2]
    bound = undisturbed[stage] | {name: tmp_path / f"{name}.out" for name in names}
    partial = tmp_path / f".{names[0]}.out.partial"
    for _ in range(10):
        run = Build(project, *_command(stage, bound))
        while not partial.exists() and run.process.poll() is None:
            time.sleep(0.001)
        run.kill(group=False)
        if run.process.returncode == -signal.SIGKILL:
            break
    assert run.process.returncode == -signal.SIGKILL, run.output()
    assert partial.exists()
    assert not bound[names[0]].exists()
    until(lambda: not running_in(project.root), seconds=20)
    project.run(*_command(stage, bound))
    expected = _contents([undisturbed[stage][name] for name in names])
    assert any(expected.values())
    assert _contents([bound[name] for name in names]) == expected
    assert not list(tmp_path.rglob("*.partial"))


def test_more_workers_than_cores_change_no_byte(project: Project) -> None:
    project.run("git", "commit", "-qam", "state")
    outs = []
    for workers in (8, 1):
        threads = ("--cores", "8", "--set-threads", f"english_filter={workers}", "--forcerun", "english_filter")
        build = Build(project, "snakemake", "data/instructions/english", *threads)
        if workers > 1:
            while _workers(project) < workers:
                assert build.process.poll() is None, build.output()
        build.finish()
        assert build.process.returncode == 0, build.output()
        stage = read_yaml(project.root / "dvc.lock")["stages"]["english_filter"]
        outs.append({out["path"]: out["md5"] for out in stage["outs"]})
        assert read_json(project.root / "reports/stages/english_filter.json")["in"] > 400
    assert outs[0] == outs[1]


def _workers(project: Project) -> int:
    return sum("spawn_main" in line for line in running_in(project.root))
