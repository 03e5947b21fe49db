"""Exported logs: what inspect_ai and Harbor read has the messages, verdicts and tokens of the samples."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lemur.commands import episodes
from lemur.core.records import read_json, write_json
from lemur.reporting.export.atif import name
from lemur.reporting.export.export import Format, export
from tests.reporting.samples import BITS, CHOICE, EPISODES, FAULT, PROPOSES, SAMPLE, THINKS, episode, turn, write
from tests.tools import ROOT

INSPECT = ROOT / ".venv-inspect/bin/python"


def exported(folder: Path, form: Format, **records: Any) -> dict[str, Any]:
    """What was written, by file name."""
    write(folder / "samples", **records)
    export([folder / "samples"], folder / "out", form, folder / "results")
    return {str(path.relative_to(folder / "out")): read_json(path) for path in sorted((folder / "out").rglob("*.json"))}


def only(files: dict[str, Any]) -> Any:
    (content,) = files.values()
    return content


def test_an_inspect_log_of_episodes(tmp_path: Path) -> None:
    write_json(tmp_path / "results/lemur/mint.json", {"model_hash": "abc", "configs": {"mint": {"turns": [5]}}})
    log = only(exported(tmp_path, "inspect", mint=EPISODES))
    assert (log["version"], log["status"], log["eval"]["task"], log["eval"]["model"]) == (
        2,
        "success",
        "mint",
        "lemur/lemur",
    )
    assert log["eval"]["metadata"]["model_hash"] == "abc" and log["eval"]["metadata"]["config"] == {"turns": [5]}
    scores = {score["name"]: score["metrics"]["accuracy"]["value"] for score in log["results"]["scores"]}
    assert scores == {"paper": pytest.approx(2 / 3), "strict": pytest.approx(1 / 3)}  # without the fault
    solved, lucky, failed, fault = log["samples"]
    assert [(m["role"], m["content"]) for m in solved["messages"]] == [
        ("user", "Task:\n1 + 1?"),
        ("assistant", THINKS),
        ("tool", "Observation:\n2\nYou have 4 steps left"),
        ("assistant", PROPOSES),
    ]
    assert solved["messages"][1]["tool_calls"][0]["id"] == solved["messages"][2]["tool_call_id"]
    assert solved["model_usage"]["lemur/lemur"] == {"input_tokens": 240, "output_tokens": 14, "total_tokens": 254}
    assert {rule: score["value"] for rule, score in lucky["scores"].items()} == {"paper": "C", "strict": "I"}
    assert failed["limit"] == {"type": "custom", "limit": 2}
    assert fault["error"]["message"] == "the sandbox did not start" and not fault["scores"]


def test_an_inspect_log_of_samples(tmp_path: Path) -> None:
    again = {**SAMPLE, "output": "    pass\n", "correct": {"paper": False, "strict": False}}
    files = exported(tmp_path, "inspect", humaneval=[SAMPLE, again], mmlu=[CHOICE], bits_per_byte=[BITS])
    assert [file.split("_")[1] for file in files] == ["humaneval", "mmlu"]
    first, second = next(iter(files.values()))["samples"]
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert [message["content"] for message in first["messages"]] == ["def add(a, b):\n", "    return a + b\n"]
    assert first["output"]["choices"][0]["stop_reason"] == "stop"
    (choice,) = list(files.values())[1]["samples"]
    assert (choice["target"], choice["messages"][1]["content"]) == ("B", "A")


def test_an_atif_trajectory(tmp_path: Path) -> None:
    files = exported(tmp_path, "atif", mint=EPISODES, humaneval=[SAMPLE, SAMPLE])
    assert {"lemur/mint/gsm8k%2F0.json", "lemur/humaneval/HumanEval%2F0~2.json"} <= set(files)
    solved = files["lemur/mint/gsm8k%2F0.json"]
    assert [(step["step_id"], step["source"]) for step in solved["steps"]] == [
        (1, "user"),
        (2, "agent"),
        (3, "user"),
        (4, "agent"),
    ]
    acting = solved["steps"][1]
    assert acting["reasoning_content"] == "Add them."
    assert acting["observation"]["results"] == [{"content": "2\n", "source_call_id": "call-1"}]
    assert acting["tool_calls"][0]["tool_call_id"] == "call-1"
    assert acting["metrics"] == {"prompt_tokens": 120, "completion_tokens": 7}
    assert solved["final_metrics"] == {"total_prompt_tokens": 240, "total_completion_tokens": 14, "total_steps": 4}
    assert solved["extra"]["solved"] == {"paper": True, "strict": True}
    allowed = {"step_id", "source", "message", "reasoning_content", "tool_calls", "observation", "metrics", "extra"}
    for trajectory in files.values():
        assert trajectory["schema_version"] == "ATIF-v1.4" and trajectory["steps"]
        for step in trajectory["steps"]:
            assert set(step) <= allowed
            if step["source"] != "agent":  # Harbor refuses these elsewhere
                assert not {"reasoning_content", "tool_calls", "metrics"} & set(step)


def test_file_names_are_safe_and_bounded() -> None:
    assert name("../../etc/passwd", 1) == "..%2F..%2Fetc%2Fpasswd.json"
    assert name("a b\x00", 3) == "a_b%00~3.json"
    assert len(name("x" * 500, 1)) < 200 and name("x" * 500, 1) != name("x" * 501, 1)


def test_surrogates_and_an_episode_without_messages(tmp_path: Path) -> None:
    (tmp_path / "samples/lemur").mkdir(parents=True)
    lines = [episode("t/0", [turn("\ud800")]), {**FAULT, "messages": []}]
    (tmp_path / "samples/lemur/mint.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), "ascii")
    assert only(exported(tmp_path, "inspect"))["samples"][0]["messages"][1]["content"] == "?"
    export([tmp_path / "samples"], tmp_path / "atif", "atif", tmp_path)
    assert len(list((tmp_path / "atif").rglob("*.json"))) == 2


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "samples", mint=EPISODES)
    for form in ("inspect", "atif"):
        for place in ("a", "b"):
            export([tmp_path / "samples"], tmp_path / form / place, form, tmp_path)
        files = [sorted((tmp_path / form / place).rglob("*.json")) for place in ("a", "b")]
        assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_what_cannot_be_exported_is_reported(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=r"no samples file <model>/<benchmark>\.jsonl is there"):
        episodes.export([tmp_path / "empty", tmp_path / "out"])
    bits = write(tmp_path / "samples", bits_per_byte=[BITS]) / "lemur/bits_per_byte.jsonl"
    with pytest.raises(SystemExit, match=r"bits_per_byte\.jsonl:1: neither an episode nor a sample"):
        episodes.export([bits, tmp_path / "out"])
    with pytest.raises(SystemExit, match="is a file; the last argument names the folder"):
        episodes.export([bits])


@pytest.mark.inspect
@pytest.mark.skipif(not INSPECT.exists(), reason="inspect_ai is not installed; `make inspect`")
def test_inspect_ai_opens_the_logs(tmp_path: Path) -> None:
    write(tmp_path / "samples", mint=EPISODES, humaneval=[SAMPLE, SAMPLE], mmlu=[CHOICE], ds1000=[])
    export([tmp_path / "samples"], tmp_path / "logs", "inspect", tmp_path)
    code = """
import json, sys
from inspect_ai.log import list_eval_logs, read_eval_log
logs = [read_eval_log(log) for log in list_eval_logs(sys.argv[1])]  # as `inspect view` finds and reads them
print(json.dumps({log.eval.task: [log.status, len(log.samples), log.results.completed_samples] for log in logs}))
"""
    answer = subprocess.run([INSPECT, "-c", code, tmp_path / "logs"], capture_output=True, encoding="utf-8", check=True)
    assert json.loads(answer.stdout.splitlines()[-1]) == {
        "mint": ["success", 4, 3],
        "humaneval": ["success", 2, 2],
        "mmlu": ["success", 1, 1],
        "ds1000": ["success", 0, 0],
    }
