"""Samples as a log of inspect_ai, version 2 of its JSON format, so that `inspect view` opens them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from lemur.core.records import Record
from lemur.evaluation.harness.scores import scored
from lemur.reporting.episodes.item import other_facts, verdicts_of
from lemur.reporting.export.read import Samples, text, usage

CREATED = "1970-01-01T00:00:00+00:00"
"""The format needs a time; an export has none, so that the same samples give the same bytes."""
STOPPED = {"stop": "stop", "length": "max_tokens"}
LIMITS = {"turns": "message", "proposals": "custom", "context": "context"}
TOOL = "python"


def name(samples: Samples) -> str:
    """A file name in the form that `inspect view` lists: time, task, id."""
    time = CREATED.replace(":", "-")
    return f"{time}_{samples.benchmark.replace('_', '-')}_{samples.model.replace('_', '-')}-{samples.digest[:12]}.json"


def log(samples: Samples) -> Record:
    """The whole log. Verdicts are scores named by rule, C or I; an episode whose environment failed has an error and no
    scores. Raises like `Samples.records`."""
    epochs: Counter[str] = Counter()
    listed: list[Record] = []
    verdicts: dict[str, list[float]] = {}
    for record in samples.records():
        epochs[str(record["id"])] += 1  # several answers to one prompt are its epochs
        entry = _sample(record, samples, epochs[str(record["id"])])
        listed.append(entry)
        for rule, verdict in _verdicts(record).items():
            verdicts.setdefault(rule, []).append(float(verdict))
    identity = {
        key: samples.result[key] for key in ("model_hash", "tokenizer_hash", "backend") if key in samples.result
    }
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": samples.digest[:22],
            "run_id": samples.digest[:22],
            "task_id": f"{samples.benchmark}-{samples.model}",
            "created": CREATED,
            "task": samples.benchmark,
            "model": f"lemur/{samples.model}",
            "dataset": {"name": samples.benchmark, "samples": len(epochs), "sample_ids": list(epochs)},
            "config": {"epochs": max(epochs.values(), default=1)},
            "packages": {},
            "metadata": {"samples_sha256": samples.digest, "config": samples.config, **identity},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": len(listed),
            "completed_samples": sum("error" not in entry for entry in listed),
            "scores": [_score(rule, values) for rule, values in sorted(verdicts.items())],
        },
        "stats": {"started_at": CREATED, "completed_at": CREATED, "model_usage": {}},
        "samples": listed,
    }


def _sample(record: Record, samples: Samples, epoch: int) -> Record:
    episode = "turns" in record
    messages = list(_dialogue(record)) if episode else _exchange(record)
    asked = record["messages"] if episode else [{"role": "user", "content": text(record.get("prompt"))}]
    answers = [message for message in messages if message["role"] == "assistant"]
    finish = (record["turns"][-1] if episode and record["turns"] else record).get("finish")
    entry: Record = {
        "id": str(record["id"]),
        "epoch": epoch,
        "uuid": sha256(f"{samples.digest} {record['id']} {epoch}".encode("utf-8", "surrogatepass")).hexdigest()[:22],
        "input": [{"role": message["role"], "content": message["content"]} for message in asked],
        "target": text(record.get("reference" if episode else "target")),
        "messages": messages,
        "output": {"model": f"lemur/{samples.model}", "choices": _choices(answers, finish)},
        "scores": {
            rule: {
                "value": "C" if verdict else "I",
                "answer": _answer(record),
                "explanation": text(record.get("ended" if episode else "verdict")),
            }
            for rule, verdict in _verdicts(record).items()
        },
        "metadata": other_facts(record) | {key: record[key] for key in ("task", "group", "subject") if key in record},
        "events": [],
    }
    if episode:
        prompt, answer = usage(record)
        counted = {"input_tokens": prompt, "output_tokens": answer, "total_tokens": prompt + answer}
        entry["model_usage"] = {f"lemur/{samples.model}": counted}
        if record["ended"] in LIMITS:
            entry["limit"] = {"type": LIMITS[record["ended"]], "limit": len(record["turns"])}
        if record["fault"]:
            entry["error"] = {"message": record["fault"], "traceback": "", "traceback_ansi": ""}
    return entry


def _verdicts(record: Record) -> Mapping[str, bool]:
    if record.get("fault"):
        return {}
    return {rule: verdict for rule, verdict in verdicts_of(record).items() if verdict is not None}


def _dialogue(record: Record) -> Iterator[Record]:
    """Messages as the model had them; what followed from code to run is the result of a tool call."""
    yield from record["messages"]
    for number, turn in enumerate(record["turns"], 1):
        answer: Record = {"role": "assistant", "content": turn["answer"], "source": "generate"}
        called = turn["action"]["kind"] == "tool"
        if called:
            call = {"id": f"call-{number}", "function": TOOL, "arguments": {"code": turn["action"]["text"]}}
            answer["tool_calls"] = [call | {"type": "function"}]
        yield answer
        content = turn["message"] or turn["observation"]
        if called and content:
            yield {"role": "tool", "content": content, "tool_call_id": f"call-{number}", "function": TOOL}
        elif content:
            yield {"role": "user", "content": content}


def _exchange(record: Record) -> list[Record]:
    question: Record = {"role": "user", "content": text(record.get("prompt"))}
    answer = text(record["output"] if "output" in record else record.get("extraction"))
    return [question, {"role": "assistant", "content": answer, "source": "generate"}]


def _choices(answers: list[Record], finish: Any) -> list[Record]:
    if not answers:
        return []
    return [{"message": answers[-1], "stop_reason": STOPPED.get(str(finish), "unknown")}]


def _answer(record: Record) -> str:
    """What was judged."""
    if "turns" not in record:
        return text(record.get("extraction"))
    proposed = [turn["action"]["text"] for turn in record["turns"] if turn["action"]["kind"] == "solution"]
    return proposed[-1] if proposed else ""


def _score(rule: str, values: list[float]) -> Record:
    metrics = scored("success", rule, values)
    return {
        "name": rule,
        "scorer": rule,
        "metrics": {
            "accuracy": {"name": "accuracy", "value": metrics[f"success,{rule}"]},
            "stderr": {"name": "stderr", "value": metrics[f"success_stderr,{rule}"] or 0.0},
        },
    }
