"""States in a few lines whether artifacts match a dvc.lock: how many differ, which differs first, and why."""

from collections.abc import Collection, Iterable

from lemur.core import processor
from lemur.pipeline.artifacts import lockfile
from lemur.pipeline.artifacts.lockfile import Lock

COMMITTED = "the committed dvc.lock"
OTHER_REASONS = 'docs/reproducibility.md, "Not promised", lists others'


def verdict(
    recorded: Lock, built: Lock, stages: Iterable[str], lost: Collection[str] = (), record: str = COMMITTED
) -> list[str]:
    """Lines that state how many of the stages' artifacts differ and, if any do, the first one and the likely reason.

    Args:
        recorded: the expected artifacts.
        built: the actual artifacts.
        stages: the stages to compare, in graph order.
        lost: artifacts that both record, but that are missing or damaged.
        record: a description of where `recorded` comes from.
    """
    rows = [(name, *row) for name in stages for row in lockfile.outputs(recorded.get(name, {}), built.get(name, {}))]
    different = [row for row in rows if row[2] != row[3]]
    count = len({row[1] for row in different} | set(lost))
    if not count:
        return [equal(len(rows), record)]
    return [
        f"{count} of {len(rows)} artifacts differ{'s' * (count == 1)} from {record}.",
        *_first_difference(recorded, built, different),
    ]


def equal(count: int, record: str = COMMITTED) -> str:
    """The line for `count` artifacts that are all equal."""
    return f"{f'All {count} artifacts have' if count != 1 else 'The artifact has'} the bytes that {record} records."


def _first_difference(recorded: Lock, built: Lock, different: list[tuple[str, str, str, str]]) -> list[str]:
    """The first artifact that differs although its inputs are equal, or else the first of all; the likely reason."""
    same_inputs = [
        row for row in different if row[2] and row[3] and not lockfile.inputs(recorded[row[0]], built[row[0]])
    ]
    data = set(lockfile.data_stages(recorded | built))
    only_weights = not data.intersection(row[0] for row in different)
    mismatch = lockfile.profile_mismatch(recorded, built)
    lines = []
    if same_inputs:
        stage, path, *_ = same_inputs[0]
        lines.append(f"The first with different bytes from the same inputs is {path} of stage {stage}.")
    elif different:
        lines.append(_input_difference(recorded, built, different[0]))
    if same_inputs and same_inputs[0][0] in data:
        lines.append("Its bytes do not depend on the processor or the numerics profile: please report this bug.")
    elif same_inputs or (different and mismatch and only_weights):
        reason = mismatch or f"the processor ({processor.name()}) or the numerics profile"
        scope = "Only weights or what is made from them differ. " if only_weights else ""
        lines.append(f"{scope}The likely reason: {reason}; {OTHER_REASONS}.")
    return lines


def _input_difference(recorded: Lock, built: Lock, row: tuple[str, str, str, str]) -> str:
    stage, path, before, after = row
    first = f"The first, in graph order, is {path} of stage {stage}"
    if not before or not after:
        return f"{first}, which {'is not recorded' if not before else 'was not built'}."
    cause, *others = lockfile.inputs(recorded[stage], built[stage])
    return f"{first}, built from other inputs: {cause}{f' (and {len(others)} more)' if others else ''}."
