"""Stage `semantic_dedup`: remove conversations whose instructions nearly repeat another's (appendix A.2.1)."""

import logging
from pathlib import Path
from sys import intern

import numpy as np
from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.params import StageParams
from lemur.core.records import Record, jsonl_writer, read_at, scan
from lemur.instructions.conversation import group_of, user_turns
from lemur.instructions.conversations import all_shards
from lemur.instructions.dedup.which_to_keep import Priority, priority

SHOWN = 20  # the report shows at most this many pairs near the threshold

log = logging.getLogger(__name__)


class Params(StageParams):
    sources: list[str] = Field(min_length=1, description="sources to compare; the group's other sources pass unchanged")
    threshold: float = Field(gt=-1, le=1, description="cosine similarity above which a conversation is dropped")
    near_margin: float = Field(ge=0, le=0.1, description="pairs within this distance of the threshold are reported")
    block: int = Field(ge=16, description="rows compared at once; affects memory, never the result")


def semantic_dedup(
    params: Params, conversations: Path, vectors: Path, *, kept: Path, rejects: Path, report: Path
) -> None:
    """Compare the conversations of one group and keep one of each set of near-duplicates, that of `which_to_keep`.

    The input is folders of shards; the output is sorted by source and id. All pairs are compared, in one process: 10^8
    pairs a second on one core at dimension 256. That is sensible up to about two million conversations, which take six
    hours.
    """
    from tqdm import tqdm

    from lemur.instructions.dedup.near_duplicates import StoredVectors, find_duplicates

    groups = {source: group_of(source) for source in params.sources}
    if len(set(groups.values())) != 1:
        raise ValueError(f"params.yaml: semantic_dedup.*.sources: {groups} are two groups; name sources of one group")
    group = groups[params.sources[0]]
    entries = _Entries(conversations, vectors, group)
    for source in params.sources:
        rows = [entry.row for entry in entries.of_group if entry.source == source]
        stored = StoredVectors(entries.vectors, rows)
        if rows and not any(stored[place : place + 1].any() for place in range(len(rows))):
            raise ValueError(f"{vectors}: no vector of {source}; add it to embed_instructions.sources in params.yaml")
    compared = sorted(
        (entry for entry in entries.of_group if entry.source in params.sources), key=lambda entry: entry.priority
    )
    with tqdm(total=len(compared), desc=f"semantic_dedup {group}") as progress:
        duplicates = find_duplicates(
            StoredVectors(entries.vectors, [entry.row for entry in compared]),
            threshold=params.threshold,
            near_margin=params.near_margin,
            block=params.block,
            progress=progress.update,
            scratch=kept.parent,
        )
    dropped = {compared[row].row: (compared[other], value) for row, (other, value) in duplicates.duplicate_of.items()}
    with jsonl_writer(rejects) as reject, jsonl_writer(kept) as write:
        counts = Counts("semantic_dedup", reject)
        for entry in sorted(entries.of_group, key=lambda entry: (entry.source, entry.identifier)):
            counts.entered(entry.source)
            record = entry.read()
            if entry.row in dropped:
                other, value = dropped[entry.row]
                counts.dropped(
                    entry.source,
                    "near_duplicate",
                    record,
                    duplicate_of=other.identifier,
                    similarity=value,
                    kept_instruction=_instruction(other.read()),
                )
            else:
                counts.left(entry.source)
                write(record)
        near = sorted(
            duplicates.near,
            key=lambda pair: (
                round(abs(pair[2] - params.threshold), 6),
                compared[pair[0]].identifier,
                compared[pair[1]].identifier,
            ),
        )
        shown: dict[tuple[str, ...], Record] = {}  # each pair of instructions once
        for row, later, value in near:
            pair = [
                {"id": compared[i].identifier, "instruction": _instruction(compared[i].read())} for i in (row, later)
            ]
            shown.setdefault(
                tuple(sorted(side["instruction"] for side in pair)),
                {"similarity": value, "kept": pair[0], "other": pair[1], "dropped": value > params.threshold},
            )
            if len(shown) == SHOWN:
                break
    counts.write(
        report,
        group=group,
        compared=len(compared),
        passed_without_comparison=len(entries.of_group) - len(compared),
        near_threshold={"pairs": len(near), "within": params.near_margin, "closest": list(shown.values())},
    )
    log.info("semantic_dedup: %d of %d conversations are near-duplicates", len(dropped), len(compared))


class _Entry:
    """The facts needed to rank a conversation, and where to read the rest. `row`: of its vector, over all shards."""

    __slots__ = ("identifier", "offset", "path", "priority", "row", "source")

    def __init__(self, record: Record, row: int, path: Path, offset: int) -> None:
        self.identifier: str = record["id"]
        self.source: str = intern(record["source"])
        self.row = row
        self.path = path
        self.offset = offset
        self.priority: Priority = priority(record)

    def read(self) -> Record:
        with self.path.open("rb") as file:
            return read_at(file, self.offset)


class _Entries:
    """The entries of one group, and the files with the vectors of all.

    Raises `ValueError` or `FileNotFoundError` if the vectors are not those of the conversations.
    """

    def __init__(self, conversations: Path, vectors: Path, group: str) -> None:
        self.of_group: list[_Entry] = []
        self.vectors: list[Path] = []
        rows = 0
        for _, path in all_shards(conversations):
            before = rows
            for offset, record in scan(path):
                if record["group"] == group:
                    self.of_group.append(_Entry(record, rows, path, offset))
                rows += 1
            embedded = vectors / f"{path.stem}.npy"
            if not embedded.is_file():
                raise FileNotFoundError(f"{embedded}, the vectors of {path}, is missing; embed again")
            count = len(np.load(embedded, mmap_mode="r"))
            if count != rows - before:
                raise ValueError(f"{embedded} has {count} rows, {path} {rows - before} lines; embed again")
            self.vectors.append(embedded)


def _instruction(record: Record) -> str:
    return "\n".join(user_turns(record))[:200]
