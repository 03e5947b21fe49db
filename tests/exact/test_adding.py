"""The pages docs/add_a_benchmark.md and docs/add_a_source.md, followed to the letter in a copy of a build.

About two minutes for both, beside the build.
"""

import io
import re
from pathlib import Path
from textwrap import dedent

import pytest
from ruamel.yaml import YAML

from lemur.core.records import read_json
from tests.exact.conftest import copy, executed_rules
from tests.tools import ROOT, Project

pytestmark = pytest.mark.exact

BLOCK = r"((?:    .*\n|\n)+)"


def follow(page: str, project: Project) -> set[str]:
    """Do what a page says; the rules that ran."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    before_build, build = text.split("## Build\n")
    for name, block in re.findall(rf"^`([\w./]+)`[^\n]*(?:\n[^\n]+)*:\n\n{BLOCK}", before_build, re.MULTILINE):
        write(project.root / name, dedent(block).strip("\n") + "\n")
    stages: set[str] = set()
    for command in re.findall(r"^    (.*)$", re.search(rf"\n{BLOCK}", build)[0], re.MULTILINE):  # type: ignore[index]
        if command.startswith("snakemake"):
            stages = executed_rules(project, *command.split())
        elif command.startswith("lemur "):
            project.lemur(*command.split()[1:])
        else:
            project.run(*command.split())
    return stages


def write(path: Path, content: str) -> None:
    """A new file, or entries that a YAML file gets."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return
    yaml = YAML()
    yaml.width = 4096
    tree = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in YAML().load(content).items():
        tree.setdefault(key, {}).update(value)
    text = io.StringIO()
    yaml.dump(tree, text)
    path.write_text(text.getvalue(), encoding="utf-8")


def touched(project: Project) -> set[str]:
    """What was changed or added by hand, without what the tools write."""
    files = project.run("git", "status", "--porcelain", "--untracked-files=all").splitlines()
    return {file[3:] for file in files if not file.endswith((".gitignore", "dvc.lock", "environment.yaml"))}


def test_adding_a_benchmark(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    asked = {f"capitals_{model}" for model in ("base", "lemur", "lemur_chat")}
    # Those that look for its items in training data, and the data set's card, which says what they looked for.
    others = {"decontaminate_corpus", "mix_instructions", "instruction_dataset"}
    assert follow("add_a_benchmark.md", project) == {"fetch_capitals", *others, *asked, "report", "track"}
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
    row = re.search(r"\| recipes \|([^\n]*)", report.split("Table 1")[1])
    assert row and row[1].split("|")[0].strip() == "2"
