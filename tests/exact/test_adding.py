"""The pages docs/add_a_benchmark.md, add_a_source.md and add_a_stage.md, followed to the letter in a copy of a build.

Eight minutes for all on two idle cores, with the build.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from lemur.core.records import read_json, read_jsonl
from tests import how_to
from tests.docs.commands import commands
from tests.exact.conftest import copy, executed_rules
from tests.tools import ROOT, Project

pytestmark = pytest.mark.exact


def follow(page: str, project: Project) -> set[str]:
    """Do what a page says; the rules that ran."""
    how_to.write_files(ROOT / "docs" / page, project.root)
    stages: set[str] = set()
    for command in (each.text for each in commands(ROOT / "docs" / page)):
        if command.startswith("snakemake"):
            stages = executed_rules(project, *command.split())
        elif command.startswith("lemur "):
            project.lemur(*command.split()[1:])
        else:
            project.run(*command.split())
    return stages


def touched(project: Project) -> set[str]:
    """What was changed or added by hand, without what the tools write."""
    files = project.run("git", "status", "--porcelain", "--untracked-files=all").splitlines()
    return {file[3:] for file in files if not file.endswith((".gitignore", "dvc.lock", "environment.yaml"))}


def test_adding_a_benchmark(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    asked = {f"capitals_{model}" for model in ("base", "lemur", "lemur_chat")}
    # Those that look for its items in training data, and the data set's card, which says what they looked for.
    others = {"decontaminate_corpus", "mix_instructions", "instruction_dataset"}
    readers = {"comparisons", "viewer", "report", "track"}
    assert follow("add_a_benchmark.md", project) == {"fetch_capitals", *others, *asked, *readers}
    source = "data/sources/capitals"
    assert touched(project) == {
        "dvc.yaml",
        "params.yaml",
        "src/lemur/evaluation/capitals.py",
        "tests/evaluation/test_capitals.py",
        f"{source}/manifest.yaml",
        f"{source}/bundled/europe_dev.csv",
        f"{source}/bundled/europe_test.csv",
    }
    project.run("ruff", "check", "src/lemur/evaluation", "tests/evaluation")
    project.run("ruff", "format", "--check", "src/lemur/evaluation", "tests/evaluation")
    result = read_json(project.root / "reports/eval/lemur/capitals.json")
    accuracy = result["results"]["capitals"]["acc,none"]
    assert accuracy in (0, 0.25, 0.5, 0.75, 1)
    row = re.search(
        r"\| Lemur \| capitals \|([^\n]*)", (project.root / "reports/summary/report.md").read_text(encoding="utf-8")
    )
    assert row and float(row[1].split("|")[0]) == 100 * accuracy
    indexed = read_json(project.root / "reports/stages/mix_instructions.json")["benchmarks"]
    assert indexed["capitals"]["items"] == 6


def test_adding_a_source(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    stages = follow("add_a_source.md", project)
    assert {"fetch_recipes", "normalise", "english_filter", "encode_instructions", "instruction_tuning"} <= stages
    assert not {"clean_corpus", "continued_pretraining", "base_model", "mmlu_lemur"} & stages
    source = "data/sources/recipes"
    assert touched(project) == {"params.yaml", "dvc.yaml", f"{source}/manifest.yaml", f"{source}/bundled/recipes.jsonl"}
    counts = read_json(project.root / "reports/stages/english_filter.json")["sources"]["recipes"]
    assert counts == {"in": 3, "out": 2, "dropped": {"not_english": 1}}
    report = (project.root / "reports/summary/report.md").read_text(encoding="utf-8")
    row = re.search(r"\| recipes \|([^\n]*)", report.split("## Table 1")[1])
    assert row and row[1].split("|")[0].strip() == "2"


def test_adding_a_stage(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    assert follow("add_a_stage.md", project) == {"count_words"}
    assert touched(project) == {"dvc.yaml", "params.yaml", "src/lemur/corpus/count_words.py"}
    project.run("ruff", "check", "src/lemur/corpus/count_words.py")
    train = (project.root / "data/corpus/train").glob("*.jsonl")
    words = [word for shard in train for document in read_jsonl(shard) for word in document["text"].split()]
    counts = read_json(project.root / "data/corpus/words.json")
    assert counts == Counter(word for word in words if len(word) >= 3) and counts
