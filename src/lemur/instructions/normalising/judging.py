"""Decides which converted records become conversations, and writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from lemur.core.counts import Counts
from lemur.core.records import Record, batches, jsonl_writer, parse_lines, read_jsonl
from lemur.core.rejects import rejects_writer
from lemur.core.shards import Job
from lemur.instructions.conversation import VERIFIED
from lemur.instructions.normalising.repetitions import REASONS

BATCH = 64  # programs that run before those that timed out run again
Verify = Literal["run", "drop", "keep"]


@dataclass(frozen=True)
class OutputShard(Job):
    """Inputs: the items that `convert` wrote, and what `run_programs` wrote if it had to run.

    Outputs: `conversations`, `rejects`.
    """

    source: str
    start: int
    """The byte of the first item."""
    repetitions: bytes
    """For each record, what `repetitions` found."""


def run_programs(shard: OutputShard, results: Path, *, timeout_s: int, memory_mb: int) -> None:
    """Run the programs of a shard in the sandbox, and write {status, detail} of each. Raises `sandbox.Unavailable`."""
    from lemur.sandbox import run_python_programs

    tested = (item for item, reason in _items(shard) if reason is None and "program" in item)
    with jsonl_writer(results) as write:
        for batch in batches(tested, BATCH):
            for result in run_python_programs(
                [item["program"] for item in batch],
                names=[item["record"]["id"] for item in batch],
                timeout_s=timeout_s,
                memory_mb=memory_mb,
            ):
                write({"status": result.status, "detail": result.detail})


def judge(verify: Verify, shard: OutputShard) -> Record:
    """Write the shard's conversations and rejects; returns its report of `Counts`."""
    results = (result for path in shard.inputs[1:] for result in read_jsonl(path))
    with (
        jsonl_writer(shard.outputs["conversations"]) as write,
        rejects_writer(shard.outputs["rejects"]) as reject,
    ):
        counts = Counts("normalise", reject)
        for item, reason in _items(shard):
            counts.entered(shard.source)
            detail = {key: item[key] for key in ("where", "detail") if key in item}
            if reason is None and "program" not in item and shard.source == VERIFIED:
                reason = "no_tests"
            elif reason is None and "program" in item and verify == "drop":
                reason = "not_run"
            elif reason is None and "program" in item and verify == "run":
                result = next(results)
                if result["status"] != "passed":
                    reason, detail["detail"] = f"tests_{result['status']}", result["detail"]
            if reason is None:
                counts.left(shard.source)
                write(item["record"])
            else:
                counts.dropped(shard.source, reason, item["record"], **detail)
    return counts.report()


def _items(shard: OutputShard) -> Iterator[tuple[Record, str | None]]:
    """The items, and why they are dropped, if it is not their program that decides."""
    path = shard.inputs[0]
    with path.open("rb") as file:
        file.seek(shard.start)
        lines = islice(file, len(shard.repetitions))
        for (_, item), repetition in zip(parse_lines(path, lines), shard.repetitions, strict=True):
            yield item, REASONS[repetition] if repetition else item.get("reason")
