"""How many bytes a compiled program sends between devices, read from its HLO text."""

import math
import re
from collections import defaultdict

SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8}
KINDS = ("all-gather", "reduce-scatter", "all-reduce", "all-to-all", "collective-permute")

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_OPERATION = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(-start)?\(")
_CALLED = re.compile(r"(?:calls|body|called_computations)=\{?%?([\w.\-]+)")
_CONDITION = re.compile(r"condition=%?([\w.\-]+)")
_TRIPS = re.compile(r'known_trip_count":?\{"n":"?(\d+)')
_CONSTANT = re.compile(r"= s32\[\]\S* constant\((\d+)\)")
_SHAPE = re.compile(r"\b(" + "|".join(SIZES) + r")\[([\d,]*)\]")
# [groups,devices], {{0,1},{2,3}}, {} for one group of all, or the named axes of a mesh and those that form a group.
_GROUPS = re.compile(
    r"replica_groups=(?:\[(?P<of>\d+),(?P<count>\d+)\]|\{\{(?P<first>[\d,]+)\}|(?P<all>\{\})"
    r"|mesh\[(?P<mesh>[^\]]*)\](?:, device_ids=\([^{]*\))? \{(?P<axes>(?:'[^']+'[, ]*)+)\})"
)


def collective_bytes(hlo: str, chips: int = 0) -> dict[str, float]:
    """Kind -> bytes that one device sends in one run of the program, with ring algorithms. A loop's body counts once
    per iteration: XLA's known trip count, else the constant that the loop's counter is compared with.

    Args:
        chips: number of chips the program is compiled for, 0 if unknown; operations among all chips may not state it.

    Raises `ValueError` with the line of an operation whose group of devices cannot be read.
    """
    own: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    calls: defaultdict[str, list[tuple[str, str, int]]] = defaultdict(list)
    constants: defaultdict[str, int] = defaultdict(int)
    current, entry = "", ""
    for line in hlo.splitlines():
        if head := _HEAD.match(line):
            current = head[2]
            entry = current if head[1] else entry
        elif constant := _CONSTANT.search(line):
            constants[current] = max(constants[current], int(constant[1]))
        elif operation := _OPERATION.search(line):
            kind = operation[2]
            # On TPU a reduce-scatter is a fusion of an all-reduce with the slice that is kept.
            kind = "reduce-scatter" if kind == "all-reduce" and current.startswith("all-reduce-scatter") else kind
            size = _bytes_sent(operation[2], kind, operation[1], bool(operation[3]), line, chips)
            own[current].append((kind, size))
        for called in _CALLED.findall(line):
            loop = _CONDITION.search(line)
            trips = _TRIPS.search(line)
            calls[current].append((called, loop[1] if loop else "", int(trips[1]) if trips else 0))
    totals: defaultdict[str, float] = defaultdict(float)

    def add(computation: str, times: int) -> None:
        for kind, size in own[computation]:
            totals[kind] += times * size
        for called, condition, trips in calls[computation]:
            add(called, times * (trips or (constants[condition] if condition else 0) or 1))

    add(entry, 1)
    return dict(sorted(totals.items()))


def _bytes_sent(operation: str, kind: str, result: str, is_async: bool, line: str, chips: int) -> float:
    shapes = _SHAPE.findall(result)
    parts = [SIZES[name] * math.prod(map(int, filter(None, extents.split(",")))) for name, extents in shapes]
    # An asynchronous operation's result is (input, output).
    size = max(parts, default=0) if is_async else sum(parts)
    if kind == "collective-permute":
        return float(size)
    count = _group_size(line, chips)
    if operation == "reduce-scatter":
        return float(size * (count - 1))
    return size * (count - 1) / count * (2 if kind == "all-reduce" else 1)


def _group_size(line: str, chips: int) -> int:
    groups = _GROUPS.search(line)
    if groups is None or (groups["all"] and not chips):
        raise ValueError(f"cannot read this operation's group of devices: {line.strip()}")
    if groups["count"]:
        return int(groups["count"])
    if groups["first"]:
        return len(groups["first"].split(","))
    if groups["all"]:
        return chips
    sizes = dict(re.findall(r"'([^']+)'=(\d+)", groups["mesh"]))
    return math.prod(int(sizes[name]) for name in re.findall(r"'([^']+)'", groups["axes"]))
