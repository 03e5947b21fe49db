"""Whether artifacts have the bytes that a dvc.lock records, in a few lines: how many differ, where it starts, why."""

from collections.abc import Collection, Iterable

from lemur.core import processor
from lemur.pipeline.artifacts import lockfile
from lemur.pipeline.artifacts.lockfile import Lock

COMMITTED = "the committed dvc.lock"
OTHER_REASONS = 'docs/reproducibility.md, "Not promised", has others'


def verdict(
    recorded: Lock, built: Lock, stages: Iterable[str], lost: Collection[str] = (), record: str = COMMITTED
) -> list[str]:
    """Lines that say how many of the stages' artifacts differ and, where some do, where that starts and why.

    Args:
        recorded: what they should be.
        built: what they are.
        stages: the stages to look at, in graph order.
        lost: artifacts that are recorded in both, and are not there or damaged.
        record: where `recorded` stands, in words.
    """
    rows = [(name, *row) for name in stages for row in lockfile.outputs(recorded.get(name, {}), built.get(name, {}))]
    different = [row for row in rows if row[2] != row[3]]
    count = len({row[1] for row in different} | set(lost))
    if not count:
        return [equal(len(rows), record)]
    return [
        f"{count} of {len(rows)} artifacts differ{'s' * (count == 1)} from {record}.",
        *_where(recorded, built, different),
    ]


def equal(count: int, record: str = COMMITTED) -> str:
    """What is said of so many artifacts where none differs."""
    return f"{f'All {count} artifacts have' if count != 1 else 'The artifact has'} the bytes that {record} records."


def _where(recorded: Lock, built: Lock, different: list[tuple[str, str, str, str]]) -> list[str]:
    """The first artifact that differs by itself, or else the first of all, and the likely reason."""
    by_itself = [row for row in different if row[2] and row[3] and not lockfile.inputs(recorded[row[0]], built[row[0]])]
    data = set(lockfile.data_stages(recorded | built))
    only_weights = not data.intersection(row[0] for row in different)
    outside = lockfile.other_profile(recorded, built)
    lines = []
    if by_itself:
        stage, path, *_ = by_itself[0]
        lines.append(f"The first with other bytes out of the same inputs is {path} of stage {stage}.")
    elif different:
        lines.append(_made_otherwise(recorded, built, different[0]))
    if by_itself and by_itself[0][0] in data:
        lines.append("No processor or numerics profile decides its bytes: that is a bug to report.")
    elif by_itself or (different and outside and only_weights):
        reason = outside or f"the processor ({processor.name()}) or the numerics profile"
        only = "Only weights or what is made from them differ. " if only_weights else ""
        lines.append(f"{only}The likely reason: {reason}; {OTHER_REASONS}.")
    return lines


def _made_otherwise(recorded: Lock, built: Lock, row: tuple[str, str, str, str]) -> str:
    stage, path, before, after = row
    first = f"The first, in graph order, is {path} of stage {stage}"
    if not before or not after:
        return f"{first}, which {'is not recorded' if not before else 'was not built'}."
    cause, *others = lockfile.inputs(recorded[stage], built[stage])
    return f"{first}, made otherwise: {cause}{f' (and {len(others)} more)' if others else ''}."
