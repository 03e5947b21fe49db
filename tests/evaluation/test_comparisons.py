"""Two models on the same items: by hand, against scipy, and as a stage."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from lemur.core.records import Record, read_json, write_jsonl
from lemur.evaluation import comparisons as stage
from lemur.evaluation.comparing.paired import clustered_error, compare_samples, mcnemar, verdicts
from lemur.evaluation.harness.scores import standard_error


def test_the_clustered_error_by_hand() -> None:
    """Mean 1/3, sums of residuals 1/3, -5/3 and 4/3: sqrt((1 + 25 + 16) / 9 x 3/2) / 6, which statsmodels' OLS on a
    constant with cov_type="cluster" gives too."""
    assert clustered_error([1, 0, 0, -1, 1, 1], list("aabbcc")) == pytest.approx(math.sqrt(7) / 6, rel=1e-15)
    # The clusters' sums are 0, 1 and 1, so their residuals -2/3, 1/3 and 1/3.
    assert clustered_error([1, 0, 0, -1, 1, 1], list("abcabc")) == pytest.approx(1 / 6, rel=1e-15)
    assert clustered_error([1, 0], ["a", "a"]) is None


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=2, max_size=40))
def test_one_item_a_cluster_is_the_usual_error(values: list[float]) -> None:
    names = [str(number) for number in range(len(values))]
    assert clustered_error(values, names) == pytest.approx(standard_error(values), abs=1e-12)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_scipys_binomial_test(better: int, worse: int) -> None:
    expected = binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert mcnemar(better, worse) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand() -> None:
    assert mcnemar(5, 1) == 2 * (1 + 6) / 64
    assert (mcnemar(0, 0), mcnemar(3, 3)) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ({"correct": True}, {"none": True}),
        ({"correct": {"paper": True, "strict": False}}, {"paper": True, "strict": False}),
        ({"correct": {"a": {"paper": None}, "b": {"paper": True}}}, {"a,paper": None, "b,paper": True}),
        ({"solved": {"paper": True}, "correct": 3}, {"paper": True}),
        ({"bits": 3.0}, {}),
    ],
)
def test_verdicts_of_each_layout(sample: Record, expected: dict[str, bool | None]) -> None:
    assert verdicts(sample) == expected


def write(path: Path, **correct: object) -> Path:
    write_jsonl(path, [{"id": name, "subject": name[0], "correct": value} for name, value in correct.items()])
    return path


def test_pairs_undecided_items_and_samples(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", a1=True, a2=True, b1=False, b2=None, c1=True)
    two = write(tmp_path / "two.jsonl", c1=False, a1=False, a2=True, b1=True, b2=True)
    found = compare_samples(one, two, lambda sample: sample["subject"])["none"]
    assert (found.items, found.better, found.worse, found.clusters, found.p) == (4, 2, 1, 3, 1.0)
    assert found.difference == 0.25
    with one.open("a", encoding="utf-8") as file:  # a second answer to c1, wrong
        file.write('{"id": "c1", "subject": "c", "correct": false}\n')
    assert compare_samples(one, two, lambda sample: sample["subject"])["none"].difference == 0.125


def test_other_items_are_an_error_that_names_them(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one.jsonl", a1=True, b1=True), write(tmp_path / "two.jsonl", a1=True)
    with pytest.raises(ValueError, match=r"two\.jsonl: no sample of b1 \(1 in all\), which .*one\.jsonl has"):
        compare_samples(one, two, lambda sample: "")


def test_the_stage_compares_what_both_models_answered(tmp_path: Path) -> None:
    for model, right in (("base", False), ("lemur", True), ("lemur_chat", True)):
        write(tmp_path / "eval" / model / "mmlu.jsonl", a1=right, a2=True)
        write_jsonl(tmp_path / "eval" / model / "bits_per_byte.jsonl", [{"id": "x", "bits": 1.0}])
    write(tmp_path / "eval/lemur/mint.jsonl", g1=True)
    write(tmp_path / "eval/base/ds1000.jsonl", g1=True)
    write_jsonl(tmp_path / "eval/lemur/ds1000.jsonl", [])  # skipped
    stage.comparisons(stage.Params(), tmp_path / "eval", result=tmp_path / "result.json")
    first, second = read_json(tmp_path / "result.json")["comparisons"]
    assert (first["benchmark"], first["model"], first["against"], first["difference"]) == ("mmlu", "lemur", "base", 0.5)
    assert (second["model"], second["difference"], second["error"], second["p"]) == ("lemur_chat", 0.0, None, 1.0)
