from random import Random

import pytest

from lemur.core.files import ROOT, read_yaml
from lemur.core.parameter_blocks import current_blocks
from lemur.core.records import read_json
from lemur.core.rejects import read_rejects
from lemur.corpus.decontaminate_corpus import Params, decontaminate_corpus
from tests.corpus.builders import corpus, document, fetched, files, jsonl, read_corpus

QUESTION = (
    "Janet's ducks lay sixteen eggs per day and she eats three for breakfast every morning, then bakes muffins "
    "for her friends with four; how much does she make when she sells the remainder at two dollars an egg?"
)


@pytest.fixture
def run(tmp_path):
    others = ("mmlu", "humaneval", "bbh", "mbpp", "spider", "multipl_e", "ds1000", "agents")
    benchmarks = [fetched(tmp_path / name, {}) for name in others]
    gsm8k = fetched(
        tmp_path / "gsm8k", {"test.jsonl": (jsonl({"question": QUESTION, "answer": "#### 18"}), "gsm8k", "MIT", {})}
    )

    def decontaminate(documents, action="remove", shards=1, name="out"):
        out = tmp_path / name
        source = corpus(out / "in", documents, shards)
        params = Params.model_validate(
            {"ngram": 13, "code_ngram": 24, "minimum_share": 0.5, "benchmarks": {"gsm8k": action}}
        )
        decontaminate_corpus(
            params,
            source,
            [benchmarks[0], gsm8k, *benchmarks[1:]],
            kept=out / "k",
            rejects=out / "r",
            report=out / "r.json",
        )
        return read_corpus(out / "k"), list(read_rejects(out / "r")), read_json(out / "r.json")

    return decontaminate


DOCUMENTS = [
    document("books", "Nothing of the kind is here, only ducks and eggs.\n"),
    document("python", f'"""\n{QUESTION.upper()}\n"""\nprint(18)\n'),
]


def test_a_document_with_a_benchmark_item_is_removed(run):
    kept, rejects, report = run(DOCUMENTS)
    assert [record["source"] for record in kept] == ["books"]
    assert (rejects[0]["reason"], rejects[0]["benchmark"]) == ("benchmark_overlap", "gsm8k")
    assert report["overlaps"]["items"]["gsm8k"]["count"] == 1 and report["benchmarks"]["gsm8k"]["items"] == 1


def test_every_benchmark_of_the_project_is_removed():
    """Corpus and instructions follow the same rule; both stages refuse a benchmark without an action."""
    blocks = current_blocks()
    removed = blocks["decontaminate_corpus"]["benchmarks"]
    assert set(removed.values()) == {"remove"}
    assert {"mmlu", "bbh", "gsm8k", "humaneval", "mbpp", "spider", "multipl_e", "ds1000"} <= set(removed)
    assert blocks["decontaminate_corpus"].items() <= blocks["mix_instructions"].items()
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    read = {dep for dep in stages["mix_instructions"]["deps"] if dep.startswith("data/raw/")}
    assert read == {dep for dep in stages["decontaminate_corpus"]["deps"] if dep.startswith("data/raw/")}


@pytest.mark.parametrize(("action", "pairs"), [("report", {"gsm8k": {"reported": 1}}), ("ignore", {})])
def test_a_document_is_kept_if_overlap_is_only_reported_or_ignored(run, action, pairs):
    kept, _, report = run(DOCUMENTS, action)
    assert len(kept) == 2 and report["overlaps"]["pairs"] == pairs


def test_same_decisions_and_findings_with_any_shards_and_workers(run, tmp_path, monkeypatch):
    words = QUESTION.split()
    texts = [f"{number} {QUESTION if number % 3 == 0 else ' '.join(words[number % 9 :: 2])}\n" for number in range(180)]
    documents = [document(Random(text).choice(["books", "python"]), text) for text in texts]
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    kept, rejects, report = run(documents, name="1")
    assert len(rejects) == 60 and len(report["overlaps"]["shown"]) == 50
    for workers in ("1", "2"):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        spread = run(documents, shards=4, name=f"{workers}x4")
        for key, before, after in (("kept", kept, spread[0]), ("rejects", rejects, spread[1])):
            assert sorted(map(str, before)) == sorted(map(str, after)), key
        # Which overlaps come first, and so are shown, depends on the order of the documents alone.
        shown = [report["overlaps"].pop("shown", None), spread[2]["overlaps"].pop("shown")]
        assert spread[2] == report and len(shown[1]) == 50
    results = [files(tmp_path / f"{workers}x4") for workers in ("1", "2")]
    assert results[0] == results[1]
    assert {"k/c-00003.jsonl", "r/c-00003.jsonl.zst", "k/books-00003.jsonl"} <= set(results[0])
