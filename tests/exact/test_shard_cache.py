"""Unchanged shards come from DVC's cache: which ones run after a change, and that the bytes are those of a full build.

The real corpus stages under the real `dvc`, on small sources of their own. About 4 minutes.
"""

import json
import re
import shutil
from pathlib import Path
from random import Random

import pytest

from lemur.core.files import read_yaml
from lemur.corpus.sources import SOURCES
from tests.corpus.builders import fetched, jsonl
from tests.exact.conftest import from_scratch, locked_hashes, own_cache, variables
from tests.leaves import to_yaml
from tests.tools import Project

pytestmark = pytest.mark.exact

FILES = 12
WORDS = [f"word{number}" for number in range(400)]
STAGES = ("clean_corpus", "dedup_corpus", "decontaminate_corpus", "split_corpus")
TAKES = (STAGES[0], *STAGES[2:])
TOUCHED = {"refinedweb-00005"}
TAKEN = re.compile(r"^(\w+): (\d+) of (\d+) shards taken from the cache$", re.MULTILINE)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Read only: a clone of HEAD with only the corpus stages, built and committed.

    The sources: twelve files of RefinedWeb, one of Wikipedia, which is sampled, and one benchmark.
    """
    folder = tmp_path_factory.mktemp("first")
    project = Project(folder / "lemur", variables(folder))
    from_scratch(project)
    dag, params = read_yaml(project.root / "dvc.yaml"), read_yaml(project.root / "params.yaml")
    stages = {name: dag["stages"][name] for name in STAGES}
    (project.root / "dvc.yaml").write_text(to_yaml({"stages": stages}), encoding="utf-8")
    params["clean_corpus"] |= {"shard_bytes": 1, "max_bytes": dict.fromkeys(SOURCES) | {"wikipedia": 20_000}}
    params["dedup_corpus"] |= {"planted": 0}
    params["split_corpus"] |= {"max_bytes": 10**6}  # a limit that is reached lets one document decide about others
    (project.root / "params.yaml").write_text(to_yaml(params), encoding="utf-8")
    (project.root / "dvc.lock").unlink()
    for name in {Path(dep).name for stage in stages.values() for dep in stage["deps"] if dep.startswith("data/raw/")}:
        write_source(project, name)
    project.run("dvc", "repro", "-q")
    project.commit()
    return project


def write_source(project: Project, name: str, changed: str = "") -> None:
    random = Random(0)
    texts = [[" ".join(random.choices(WORDS, k=80)) + "\n" for _ in range(20)] for _ in range(FILES)]
    texts[5][7] = f"{changed} {texts[5][7]}"
    question = " ".join(random.choices(WORDS, k=40))
    texts[3][3] += question
    records = {
        "refinedweb": [[{"text": text} for text in part] for part in texts],
        "wikipedia": [[{"text": " ".join(random.choices(WORDS, k=80))} for _ in range(100)]],
        "gsm8k": [[{"question": f"{question} {changed}", "answer": "#### 18"}]],
    }.get(name, [])
    schema = "gsm8k" if name == "gsm8k" else "text_jsonl"
    files = {f"{number:02}.jsonl": (jsonl(*part), schema, "MIT", {}) for number, part in enumerate(records)}
    fetched(project.root / "data/raw" / name, files)


def copy(project: Project, folder: Path, *, cache: bool = True) -> Project:
    """An independent copy; its DVC cache is a copy of the original's or empty."""
    new = project.clone(folder / "lemur")
    own = own_cache(new)
    if cache:
        shutil.copytree(project.root.with_name("cache"), own)
    shutil.copytree(project.root / "data/raw", new.root / "data/raw", dirs_exist_ok=True)
    return new


def ledger(project: Project, stage: str) -> list[dict[str, object]]:
    name = {"clean_corpus": "cleaned", "decontaminate_corpus": "decontaminated", "split_corpus": "split"}[stage]
    return [json.loads(line) for line in (project.root / f"data/corpus/{name}.ledger.jsonl").open(encoding="utf-8")]


def build(project: Project, *options: str) -> dict[str, int]:
    """Run `dvc repro`. For each stage that ran, how many shards it did not take."""
    output = project.run("dvc", "repro", *options)
    ran = set(re.findall(r"^Running stage '(\w+)':$", output, re.MULTILINE)) & set(TAKES)
    taken = {stage: int(count) for stage, count, _ in TAKEN.findall(output)}
    shards = {stage: len({line["shard"] for line in ledger(project, stage)}) for stage in ran}
    assert all(int(total) == shards[stage] for stage, _, total in TAKEN.findall(output))
    return {stage: shards[stage] - taken.get(stage, 0) for stage in sorted(ran)}


def all_shards(project: Project, *stages: str) -> dict[str, int]:
    return {stage: len({line["shard"] for line in ledger(project, stage)}) for stage in stages}


def from_an_empty_cache(project: Project, folder: Path) -> dict[str, str]:
    """The hashes of what a project's parameters, code and sources give without anything to take from."""
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "change", "--allow-empty")
    scratch = copy(project, folder, cache=False)
    assert build(scratch) == all_shards(scratch, *TAKES)
    return locked_hashes(scratch)


def test_one_changed_document_runs_one_shard_in_each_stage(first: Project, tmp_path: Path) -> None:
    project = copy(first, tmp_path / "changed")
    before = {stage: {line["key"] for line in ledger(first, stage)} for stage in TAKES}
    write_source(project, "refinedweb", "changed")
    assert build(project) == dict.fromkeys(sorted(TAKES), 1)
    for stage in TAKES:
        lines = ledger(project, stage)
        assert {line["shard"] for line in lines if line["key"] not in before[stage]} == TOUCHED, stage
    assert not list((project.root / "data/corpus").glob(".*.partial"))
    # Where a file is added, the shards after it get other names, not another content.
    folder = project.root / "data/raw/refinedweb"
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    data = jsonl({"text": "an added document of new words only\n" * 20})
    (folder / "files/055.jsonl").write_bytes(data)
    source["files"].insert(6, {**source["files"][5], "path": "055.jsonl", "bytes": len(data)})
    (folder / "source.json").write_text(json.dumps(source), encoding="utf-8")
    assert build(project) == dict.fromkeys(sorted(TAKES), 1)
    assert len(list((project.root / "data/corpus/train").glob("refinedweb-*"))) == FILES + 1
    assert locked_hashes(project) == from_an_empty_cache(project, tmp_path / "scratch")


def test_after_push_clone_and_pull_too(first: Project, tmp_path: Path) -> None:
    project = copy(first, tmp_path / "pushed")
    remote = str(tmp_path / "remote")
    project.lemur("remote", remote)
    project.run("dvc", "push", "-q")
    clone = copy(first, tmp_path / "pulled", cache=False)
    clone.lemur("remote", remote)
    clone.lemur("pull")
    write_source(clone, "refinedweb", "changed")
    assert build(clone) == dict.fromkeys(sorted(TAKES), 1)


def test_what_all_shards_depend_on_runs_all(first: Project, tmp_path: Path) -> None:
    project = copy(first, tmp_path / "all")
    project.run("dvc", "checkout", "-q")
    assert build(project, "--force", "--single-item", "split_corpus") == all_shards(project, "split_corpus")
    write_source(project, "gsm8k", "changed")  # the benchmark
    write_source(project, "refinedweb", "changed")
    after = build(project)
    every = all_shards(project, *TAKES)
    assert after == {"clean_corpus": 1, "decontaminate_corpus": every["decontaminate_corpus"], "split_corpus": 1}
    write_source(project, "refinedweb", "again")
    (project.root / "src/lemur/core/rejects.py").open("a", encoding="utf-8").write("# A comment.\n")
    clean_and_decontaminate = {name: every[name] for name in TAKES[:2]}
    assert build(project) == {**clean_and_decontaminate, "split_corpus": 1}
    environment = read_yaml(project.root / "environment.yaml")
    version = environment["packages"]["datatrove"]
    write_source(project, "refinedweb", "and again")
    project.set("min_chars: 200", "min_chars: 201")
    assert build(project, "--single-item", "clean_corpus") == {"clean_corpus": every["clean_corpus"]}
    write_source(project, "refinedweb", "at last")
    project.set(f"datatrove: {version}", "datatrove: 0.0.1", "environment.yaml")
    output = project.run("dvc", "repro", "--single-item", "clean_corpus", ok=False)
    assert "packages.datatrove: 0.0.1 recorded" in output


def test_a_damaged_or_missing_file_of_the_cache_is_computed_again(first: Project, tmp_path: Path) -> None:
    project = copy(first, tmp_path / "damaged")
    outputs = {line["shard"]: line["outputs"] for line in ledger(first, "clean_corpus")}
    cache = project.root.with_name("cache") / "files/md5"
    paths = [cache / md5[:2] / md5[2:] for md5 in (outputs[f"refinedweb-0000{n}"]["refinedweb"] for n in (1, 2))]
    good = paths[0].read_bytes()
    paths[0].chmod(0o644)
    paths[0].write_bytes(b"X" + good[1:])
    paths[0].chmod(0o444)
    paths[1].unlink()
    write_source(project, "refinedweb", "changed")
    output = project.run("dvc", "repro", "--single-item", "clean_corpus")
    assert TAKEN.findall(output) == [("clean_corpus", str(FILES + 1 - 3), str(FILES + 1))]
    for number in (1, 2):
        assert f"shard refinedweb-0000{number}: its output refinedweb is missing or damaged in DVC's cache" in output
    assert paths[0].read_bytes() == good == (project.root / "data/corpus/cleaned/refinedweb-00001.jsonl").read_bytes()
    expected = from_an_empty_cache(project, tmp_path / "scratch")
    hashes = {path: md5 for path, md5 in locked_hashes(project).items() if "clean" in path}
    assert len(hashes) == 4 and hashes.items() <= expected.items()
    # A damaged ledger gives nothing.
    md5 = hashes["data/corpus/cleaned.ledger.jsonl"]
    kept = cache / md5[:2] / md5[2:]
    kept.chmod(0o644)
    kept.write_bytes(b"[]\n" + kept.read_bytes())
    kept.chmod(0o444)
    write_source(project, "refinedweb", "again")
    assert build(project, "--single-item", "clean_corpus") == all_shards(project, "clean_corpus")
