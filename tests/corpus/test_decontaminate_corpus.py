import pytest

from lemur.core.files import ROOT, read_yaml
from lemur.core.parameter_blocks import current_blocks
from lemur.core.records import read_json
from lemur.core.rejects import read_rejects
from lemur.corpus.decontaminate_corpus import Params, decontaminate_corpus
from tests.corpus.builders import corpus, document, fetched, jsonl, read_corpus

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

    def decontaminate(documents, action="remove"):
        source = corpus(tmp_path / "in", documents)
        params = Params.model_validate(
            {"ngram": 13, "code_ngram": 24, "minimum_share": 0.5, "benchmarks": {"gsm8k": action}}
        )
        decontaminate_corpus(
            params,
            source,
            [benchmarks[0], gsm8k, *benchmarks[1:]],
            kept=tmp_path / "k",
            rejects=tmp_path / "r",
            report=tmp_path / "r.json",
        )
        return read_corpus(tmp_path / "k"), list(read_rejects(tmp_path / "r")), read_json(tmp_path / "r.json")

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
