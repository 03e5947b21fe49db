"""Reference answers and constant answers, through the extraction and scoring that a model's answers go through."""

import json
from pathlib import Path
from typing import Any

import pytest

from lemur.core.parameter_blocks import current_blocks
from lemur.core.records import read_json
from lemur.evaluation import baselines as stage
from lemur.evaluation import bbh, gsm8k, humaneval, mbpp, mmlu, multipl_e, spider
from lemur.evaluation.comparing.baseline import baseline, best_constants
from lemur.evaluation.kinds.prompted import PromptedTask
from tests.evaluation import test_bbh, test_gsm8k, test_humaneval, test_mbpp, test_multipl_e, test_spider
from tests.evaluation.conftest import ASK, Oracle, fetched
from tests.evaluation.test_stages import benchmarks, require_runnable  # noqa: F401

PARAMS: dict[Any, dict[str, Any]] = {
    mmlu: {**ASK, "shots": 2},
    bbh: test_bbh.PARAMS,
    gsm8k: test_gsm8k.PARAMS,
    humaneval: test_humaneval.PARAMS,
    mbpp: test_mbpp.PARAMS,
    spider: test_spider.PARAMS,
    multipl_e: test_multipl_e.PARAMS,
}


FLAWED = {"humaneval": 2 / 3, "mbpp": 0.5}


def test_the_best_constant_of_each_metric() -> None:
    scores = {
        "": {"a,paper": 0.5, "a_stderr,paper": 9.0, "b,none": None},
        "x": {"a,paper": 0.5, "a_stderr,paper": 9.0, "b,none": 0.0},
        "y": {"a,paper": 0.25, "b,none": 0.75},
    }
    assert best_constants(scores) == {
        "a,paper": {"answer": "", "score": 0.5},
        "b,none": {"answer": "y", "score": 0.75},
    }


@pytest.mark.parametrize("module", PARAMS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_references_score_one_and_constants_are_scored_like_answers(
    module: Any,
    benchmarks: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = module.__name__.rpartition(".")[2]
    require_runnable(name, monkeypatch)
    params = module.Params(**PARAMS[module])
    task = module.task(params, benchmarks / name)
    found = baseline(task)
    has_references = name != "multipl_e"
    assert found["asked"] == len(task.choose()) and found["references"] == has_references * found["asked"]
    for metric, values in found["metrics"].items():
        # The paper's rule leaves nothing of a function without a return, and leaves out MBPP's set-up code.
        flawed = name in ("humaneval", "mbpp") and metric.endswith("paper")
        assert values["reference"] == (FLAWED[name] if flawed else 1.0 if has_references else None), metric
    # A model that gives the best constant answer to everything scores the same.
    metric, best = max(found["metrics"].items(), key=lambda item: item[1]["constant"])
    (answer,) = {text for text in ["", *task.constants(task.choose())] if text.strip() == best["answer"]}
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: Oracle(lambda prompt: answer))
    result, samples = tmp_path / "result.json", tmp_path / "samples.jsonl"
    getattr(module, name)(params, Path("model"), benchmarks / name, result=result, samples=samples)
    assert read_json(result)["results"][name][metric] == best["constant"]


def test_baselines_are_over_the_items_that_models_are_asked(tmp_path: Path) -> None:
    lines = [json.dumps({"question": f"{n}?", "answer": f"So.\n#### {n % 3}"}) + "\n" for n in range(60)]
    files = {"train.jsonl": (lines[0], {"split": "train"}), "test.jsonl": ("".join(lines), {"split": "test"})}
    task = gsm8k.task(
        gsm8k.Params(**{**test_gsm8k.PARAMS, "shots": 1, "limit": 10}), fetched(tmp_path / "gsm8k", "gsm8k", files)
    )
    found = baseline(task)
    answers = [item.answer for item in task.choose()]
    most = max(answers, key=answers.count)
    assert found["metrics"]["exact_match,strict"] == {
        "reference": 1.0,
        "constant": answers.count(most) / 10,
        "answer": f"So the answer is {most}.",
    }


def test_a_benchmark_that_is_left_out_has_a_reason(tmp_path: Path) -> None:
    task = gsm8k.task(gsm8k.Params(**test_gsm8k.PARAMS), fetched(tmp_path / "gsm8k", "gsm8k", {}))
    assert baseline(task) == {"skipped": "the source gsm8k is left out"}


def test_the_stage_knows_each_benchmark_of_the_project(tmp_path: Path) -> None:
    parameters = tmp_path / "params.json"
    parameters.write_text(json.dumps(current_blocks()), encoding="utf-8")
    empty = [fetched(tmp_path / name, name, {}) for name in "abcdefgh"]
    stage.baselines(stage.Params(), parameters, *empty, tmp_path / "none.txt", result=tmp_path / "result.json")
    scores = read_json(tmp_path / "result.json")["baselines"]
    assert len(scores) == 8 and all("left out" in entry["skipped"] for entry in scores.values())
