"""The other side of peer.py; runs in .venv-peer with lm-evaluation-harness. Argument: a folder with request.json."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lm_eval import simple_evaluate
from lm_eval.api.task import ConfigurableTask
from lm_eval.filters.extraction import RegexFilter

# lm_eval/tasks/gsm8k/gsm8k-cot.yaml, with the wording of the paper's examples instead of "The answer is".
STRICT = r"(?:The|the) answer is (\-?[0-9\.\,]+)."
FLEXIBLE = r"(-?[$0-9.,]{2,})|(-?[0-9]+)"
IGNORED = [",", r"\$", r"(?s).*#### ", r"\.$"]


def task(folder: Path, subject: str, rows: dict[str, list[list[str]]], shots: int) -> ConfigurableTask:
    """lm_eval/tasks/mmlu/default, with the paper's first line (two spaces) and unchanged questions."""
    files = {}
    for split, questions in rows.items():
        files[split] = str(folder / f"{subject}.{split}.jsonl")
        records = [{"question": q, "choices": c, "answer": "ABCD".index(a)} for q, *c, a in questions]
        Path(files[split]).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    words = subject.replace("_", " ")
    return ConfigurableTask(
        config={
            "task": f"mmlu_{subject}",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": files},
            "test_split": "test",
            "fewshot_split": "dev",
            "fewshot_config": {"sampler": "first_n"},
            "num_fewshot": shots,
            "output_type": "multiple_choice",
            "description": f"The following are multiple choice questions (with answers) about  {words}.\n\n",
            "doc_to_text": "{{question}}\n"
            "A. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
            "doc_to_choice": ["A", "B", "C", "D"],
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
    )


def mmlu(folder: Path, request: dict[str, Any]) -> tuple[dict[str, Any], float]:
    from lm_eval.models.huggingface import HFLM

    model = HFLM(
        pretrained=request["model"], dtype="float32", device="cpu", batch_size=request["batch"], add_bos_token=True
    )
    tasks = [task(folder, subject, rows, request["shots"]) for subject, rows in request["questions"].items()]
    start = time.perf_counter()
    results = simple_evaluate(
        model=model, tasks=tasks, bootstrap_iters=0, log_samples=True, batch_size=request["batch"]
    )
    seconds = time.perf_counter() - start
    answers: dict[str, Any] = {}
    items = 0
    for name, samples in results["samples"].items():
        rows = []
        for sample in sorted(samples, key=lambda sample: sample["doc_id"]):
            logprobs = [response[0][0] for response in sample["resps"]]
            prompt = (
                sample["arguments"]["gen_args_0"]["arg_0"]
                if isinstance(sample["arguments"], dict)
                else sample["arguments"][0][0]
            )
            rows.append({"logprobs": logprobs, "correct": bool(sample["acc"]), "prompt": prompt})
        answers[name.removeprefix("mmlu_")] = rows
        items += len(rows)
    return answers, items / seconds


def gsm8k(outputs: list[str], targets: list[str]) -> list[dict[str, Any]]:
    from evaluate import load  # noqa: F401 - the metric below is lm_eval's own copy of it
    from lm_eval.api.metrics import exact_match_hf_evaluate

    responses, documents = [[output] for output in outputs], [{}] * len(outputs)
    strict = RegexFilter(regex_pattern=STRICT).apply(responses, documents)
    flexible = RegexFilter(regex_pattern=FLEXIBLE, group_select=-1).apply(responses, documents)

    def equal(prediction: str, target: str) -> bool:
        score = exact_match_hf_evaluate(
            predictions=[prediction], references=[target], regexes_to_ignore=IGNORED, ignore_case=True
        )
        return bool(score["exact_match"])

    return [
        {"strict": equal(a[0], target), "flexible": equal(b[0], target), "strict_text": a[0], "flexible_text": b[0]}
        for a, b, target in zip(strict, flexible, targets, strict=True)
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    answers, rate = mmlu(folder, request)
    answer = {"mmlu": answers, "items_per_second": rate, "gsm8k": gsm8k(request["outputs"], request["targets"])}
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
