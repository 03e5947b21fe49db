"""The decision: which documents are removed, for which one instead, and why."""

from functools import cache

import numpy as np

from lemur.core.records import Record, jsonl_writer
from lemur.core.shards import Job
from lemur.corpus.dedup.clusters import read_roots
from lemur.corpus.dedup.exact import COPY, ID
from lemur.corpus.dedup.minhash import jaccard, mixed
from lemur.corpus.dedup.partitions import Partition, groups, read_rows, write_rows
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.dedup.sketches import RENAMED, WORDS, shingles_of
from lemur.corpus.dedup.spans import Shards, read_document, shard_of
from lemur.corpus.dedup.which_to_keep import kept_first
from lemur.corpus.sources import CODE

SHOWN_CHARS = 80  # characters of each document in the list of clusters
EXACT, NEAR, RENAME = REASONS = ("exact_duplicate", "near_duplicate", "renamed_duplicate")
# `key`: a hash of `cluster`, the smallest address in it.
MEMBER = np.dtype([("key", "u8"), ("cluster", "u8"), *((name, COPY[name]) for name in COPY.names or ())])
# `reason`: number in `REASONS`. The similarities are to the kept document, rounded; `renamed` only if it is the reason.
REMOVAL = np.dtype(
    [("address", "u8"), ("kept", "u8"), ("kept_id", ID), ("reason", "u8"), ("words", "f8"), ("renamed", "f8")]
)


def find_members(job: Job) -> int:
    """Write a row `MEMBER` to `members` for each row `COPY` of the file `inputs[0]`, with its cluster by the roots in
    `inputs[1]`. Returns their number."""
    copies = np.fromfile(job.inputs[0], COPY)
    members = np.empty(len(copies), MEMBER)
    for name in COPY.names or ():
        members[name] = copies[name]
    members["cluster"] = read_roots(job.inputs[1], copies["first"])
    members["key"] = mixed(members["cluster"])
    write_rows(job.outputs["members"], members)
    return len(members)


def decide(settings: Settings, shards: Shards, part: Partition) -> tuple[int, int, int]:
    """Write the clusters of a partition of `MEMBER`s, JSON lines in the order of the kept documents' ids, to `clusters`
    and a row `REMOVAL` for each removed document to `removals`.

    Returns the number of clusters, the members of the largest one and how many documents were removed for one of
    another source.
    """
    members = read_rows(part.inputs[0], MEMBER, part.low, part.high, settings.memory)
    # A document that has both a copy and a similar one is in two rows.
    members = members[np.unique(members["address"], return_index=True)[1]]
    members = kept_first(members)
    runs = groups(members["cluster"])
    kept = members[runs[:-1]]
    removals = np.empty(len(members) - len(kept), REMOVAL)
    across_sources = at = 0
    with jsonl_writer(part.outputs["clusters"]) as write:
        for cluster in np.lexsort((kept["address"], kept["id"])).tolist():
            others = members[runs[cluster] + 1 : runs[cluster + 1]]
            others = others[np.lexsort((others["address"], others["id"]))]
            record, rows = _compared(settings, shards, kept[cluster], others)
            across_sources += sum(member["source"] != record["kept"]["source"] for member in record["members"])
            write(record)
            removals[at : at + len(rows)] = rows
            at += len(rows)
    write_rows(part.outputs["removals"], removals)
    return len(kept), int(np.diff(runs).max(initial=0)), across_sources


def detail(reason: str, words: float, renamed: float) -> Record:
    """What a reject and the list of clusters say of a removal."""
    more = {"renamed_similarity": renamed} if reason == RENAME else {}
    return {"similarity": words, **more}


def _compared(
    settings: Settings, shards: Shards, kept: np.void, others: np.ndarray
) -> tuple[Record, list[tuple[object, ...]]]:
    """A cluster for the list, and its rows of `REMOVAL`."""

    def shingles(kind: int, document: int, text: str) -> np.ndarray:
        return shingles_of(kind, [text], shards[shard_of(document)][0] in CODE, settings)[0]

    def similarity(kind: int) -> float:
        return round(jaccard(of_kept(kind), shingles(kind, other, text)), 4)

    place, identifier = int(kept["address"]), kept["id"]
    kept_text = read_document(shards, place)["text"]
    of_kept = cache(lambda kind: shingles(kind, place, kept_text))
    members: list[Record] = []
    rows: list[tuple[object, ...]] = []
    for row in others:
        other = int(row["address"])
        text = read_document(shards, other)["text"]
        reason, words, renamed = EXACT, 1.0, 0.0
        if row["first"] != kept["first"]:
            reason, words = NEAR, similarity(WORDS)
            if words < settings.min_similarity and (found := similarity(RENAMED)) >= settings.min_renamed_similarity:
                reason, renamed = RENAME, found
        members.append({**_summary(shards, row, text), "reason": reason, **detail(reason, words, renamed)})
        rows.append((other, place, identifier, REASONS.index(reason), words, renamed))
    return {"kept": _summary(shards, kept, kept_text), "members": members}, rows


def _summary(shards: Shards, row: np.void, text: str) -> Record:
    return {
        "id": row["id"].decode(),
        "source": shards[shard_of(int(row["address"]))][0],
        "characters": int(row["length"]),
        "begins": text[:SHOWN_CHARS],
    }
