"""Recorded answers can be scored again without a model, and their earlier scores do not matter."""

from dataclasses import replace

from lemur.benchmark_items.gsm8k import Problem
from lemur.evaluation.gsm8k import Gsm8k, Params
from lemur.evaluation.harness.run import score
from lemur.evaluation.harness.sample import Generated, Sample
from lemur.sources.fetched import Fetched
from tests.evaluation.conftest import ASK_FOR_ANSWERS

PROBLEM = Problem("test.jsonl:1", "How many?", "It is five.", "5", "It is five.\n#### 5")
SOURCE = Fetched("gsm8k", "GSM8K", "bundled", "1", "MIT", ())


def test_answers_are_scored_again_without_a_model() -> None:
    params = Params(**ASK_FOR_ANSWERS, shots=0, max_new_tokens=8)
    task = Gsm8k(params, [[PROBLEM]], SOURCE, [])
    recorded = [Sample(PROBLEM, "How many?", 0, Generated(output, "stop")) for output in (" The answer is 5.", " 6")]
    scored = score(task, recorded)
    assert [sample.extraction["strict"] for sample in scored] == ["5", None]
    assert [sample.correct["exact_match"]["paper"] for sample in scored] == [True, False]
    wrong = [replace(sample, extraction={"paper": "7", "strict": "7"}, correct={}) for sample in scored]
    assert score(task, wrong) == scored
