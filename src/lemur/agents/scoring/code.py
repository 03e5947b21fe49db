"""HumanEval and MBPP: a proposed program is right if its item's tests pass after it (MINT's CodeGenTask)."""

from collections.abc import Sequence

from lemur import sandbox
from lemur.benchmark_items.mint import Task

TIMEOUT_S = 10
MEMORY_MB = 1024


def program(item: Task, solution: str, rule: str) -> str:
    """The proposal and its tests. Only rule `strict` adds MBPP's set-up code, which none of MINT's 91 items needs."""
    setup = [item.setup] if rule == "strict" and item.setup else []
    return "\n".join([solution, *setup, str(item.reference)])


def run_all(programs: Sequence[str], names: Sequence[str]) -> dict[str, bool]:
    """{program: whether it ran to its end}; equal programs run once. Raises `lemur.sandbox.Unavailable`.

    Each runs in a sandbox of its own, where neither an early exit nor printed text can pass; MINT ran them in its own
    process."""
    unique: dict[str, str] = {}
    for text, name in zip(programs, names, strict=True):
        unique.setdefault(text, name)
    results = sandbox.run_python_programs(
        list(unique), names=list(unique.values()), timeout_s=TIMEOUT_S, memory_mb=MEMORY_MB
    )
    return {text: result.status == "passed" for text, result in zip(unique, results, strict=True)}
