"""An episode or a sample as a trajectory in ATIF, the format of Harbor (its RFC 0001; version 1.4)."""

from hashlib import sha256
from typing import Any
from urllib.parse import quote

from lemur.core.records import Record
from lemur.reporting.episodes.answers import pieces
from lemur.reporting.episodes.item import verdicts_of
from lemur.reporting.export.read import Samples, text, usage

VERSION = "ATIF-v1.4"
LONGEST = 160
"""Characters of a file name, of the 255 bytes that file systems allow."""


def name(identity: str, number: int) -> str:
    """A file name for the `number`th record with this id."""
    safe = quote(identity, safe=" ", errors="replace").replace(" ", "_")
    if len(safe) > LONGEST:
        safe = f"{safe[:LONGEST]}-{sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    return f"{safe}{'' if number == 1 else f'~{number}'}.json"


def trajectory(record: Record, samples: Samples) -> Record:
    """Steps: the messages before the first answer, then each answer with what followed from it."""
    episode = "turns" in record
    steps = _episode(record) if episode else _sample(record)
    steps = steps or [{"source": "system", "message": "the environment failed before the first message"}]
    for number, step in enumerate(steps, 1):
        step["step_id"] = number
    prompt, answer = usage(record) if episode else (None, None)
    metrics = {"total_prompt_tokens": prompt, "total_completion_tokens": answer, "total_steps": len(steps)}
    known = ("task", "group", "reference", "target", "ended", "finish", "fault", "verdict", "extraction")
    return {
        "schema_version": VERSION,
        "session_id": f"{samples.digest[:16]}/{record['id']}",
        "agent": {"name": "lemur", "version": "1", "model_name": samples.model},
        "steps": steps,
        "final_metrics": {key: value for key, value in metrics.items() if value is not None},
        "extra": {
            "benchmark": samples.benchmark,
            "id": str(record["id"]),
            "solved": verdicts_of(record),
            **{key: record[key] for key in known if record.get(key) is not None},
        },
    }


def _episode(record: Record) -> list[Record]:
    roles = {"assistant": "agent", "system": "system"}
    steps: list[Record] = [
        {"source": roles.get(message["role"], "user"), "message": message["content"]} for message in record["messages"]
    ]
    for number, turn in enumerate(record["turns"], 1):
        thoughts = [block.text for block in pieces(turn["answer"], None) if block.kind == "thought"]
        tokens = turn.get("tokens", {})
        step: Record = {
            "source": "agent",
            "message": turn["answer"],
            "metrics": _present({"prompt_tokens": tokens.get("prompt"), "completion_tokens": tokens.get("answer")}),
            "extra": {"action": turn["action"]["kind"]}
            | _present({key: turn[key] for key in ("finish", "solved", "ended", "left", "feedback")}),
        }
        if thoughts:
            step["reasoning_content"] = "\n".join(thoughts)
        result: Record = {"content": turn["observation"]}
        if turn["action"]["kind"] == "tool":
            call = {"tool_call_id": f"call-{number}", "function_name": "python"}
            step["tool_calls"] = [call | {"arguments": {"code": turn["action"]["text"]}}]
            result["source_call_id"] = call["tool_call_id"]
        if turn["observation"]:
            step["observation"] = {"results": [result]}
        steps.append(step)
        if turn["message"]:
            steps.append({"source": "user", "message": turn["message"]})
    return steps


def _sample(record: Record) -> list[Record]:
    answer = text(record["output"] if "output" in record else record.get("extraction"))
    return [{"source": "user", "message": text(record.get("prompt"))}, {"source": "agent", "message": answer}]


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", {}, [])}
