"""bin/walk, a new user's way, in a fresh clone with an empty home: minutes. Every step stands in the docs."""

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from lemur.core.records import read_json
from tests.tools import ROOT, Project

pytestmark = pytest.mark.exact

WALK = ROOT / "bin/walk"
# What stands in the docs for what the walk fills in; a placeholder is one word.
PLACEHOLDERS = ("FOLDER", "OWNER/NAME", "/mnt/shared/lemur")


def steps() -> list[str]:
    return [step for _, step in re.findall(r"^run (['\"])(.*)\1$", WALK.read_text(encoding="utf-8"), re.MULTILINE)]


def documented() -> str:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def test_a_new_user_gets_from_pull_to_publish(demo: Project, tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    before = demo.run("git", "status", "--porcelain", "--ignored")
    text = demo.run("bin/walk", str(folder))
    titles = [f"\n== {step.replace('$folder', str(folder))}\n" for step in steps()]
    positions = [text.index(title) for title in dict.fromkeys(titles)]
    assert positions == sorted(positions) and sum(map(text.count, dict.fromkeys(titles))) == len(titles)
    said = dict(re.findall(r"^== (.*)\n((?:(?!== ).*\n)*)", text, re.MULTILINE))
    clone = folder / "colleague"

    assert "files pushed" in said["dvc push"] and any((folder / "store/files/md5").iterdir())
    assert (clone / "models/lemur/model.safetensors").read_bytes() == (
        demo.root / "models/lemur/model.safetensors"
    ).read_bytes()
    assert "Job stats" not in said["snakemake -n"] and "Nothing to be done" in said["snakemake -n"]
    for asked in ('echo "What is a lemur?" | lemur chat', next(step for step in said if "generate" in step)):
        assert said[asked].strip()
    compared = said[next(step for step in said if step.startswith("lemur eval"))]
    assert "mmlu" in compared and "gsm8k" in compared and "my_model" in compared
    assert list((clone / ".lemur/eval/my_model").glob("gsm8k.json"))

    result = read_json(clone / "reports/eval/lemur/capitals.json")
    assert result["results"]["capitals"]["acc,none"] in (0, 0.25, 0.5, 0.75, 1)
    # The new items' source, the search for them in training data, the asking; nothing is trained again.
    assert ": 3 ran, " in said["snakemake --cores all reports/eval/lemur/capitals.json"]
    assert "1 passed" in said["pytest -q tests/evaluation/test_capitals.py"]
    filtered = read_json(clone / "reports/stages/english_filter.json")["sources"]["recipes"]
    assert filtered == {"in": 3, "out": 2, "dropped": {"not_english": 1}}
    card = (clone / "data/instructions/dataset/README.md").read_text(encoding="utf-8")
    assert "\n| recipes | Recipes | bundled | 1 | CC0-1.0 | 2 | " in card
    assert "instruction_tuning" in said["lemur why"] and "base_model" not in said["lemur why"]

    publish = said[next(step for step in said if step.startswith("lemur publish"))]
    assert "Nothing was uploaded. To upload: the same command with --yes\n" in publish
    published = ModelCard.load(clone / ".lemur/publish/lemur-chat/README.md").data
    assert published.license == "apache-2.0" and published.model_name == "lemur-chat"
    assert text.endswith("walk: every step worked\n")
    assert demo.run("git", "status", "--porcelain", "--ignored") == before


def test_each_step_of_the_walk_stands_in_the_docs() -> None:
    docs = documented()
    assert len(steps()) == WALK.read_text(encoding="utf-8").count("\nrun ") > 15
    for step in steps():
        filled = {step}
        for placeholder in PLACEHOLDERS:
            filled |= {re.sub(r"\$folder/\w+|me/lemur-chat", placeholder, step)}
        filled |= {re.sub(r"--limit \d+", "--limit 20", one) for one in filled}
        ends = r"(?=\n|`|;|  )"
        assert any(re.search(rf"(?:^    |`|; ){re.escape(one)}{ends}", docs, re.MULTILINE) for one in filled), step
