"""Stage `pack_corpus`: pack a mixture into token shards of fixed-length sequences, window by window."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import read_json, write_json
from lemur.core.shards import Job

if TYPE_CHECKING:
    from lemur.tokens.mixture import Order
    from lemur.tokens.shards import Arrays, Layout, Shard
    from lemur.tokens.token_store import TokenStore

PACKAGES = ("array-record", "numpy")
BLOCK_TOKENS = 1 << 18  # of the sequences filled together, so that their arrays stay in the processor's cache

log = logging.getLogger(__name__)


class Params(StageParams):
    sequence_length: int = Field(ge=2, description="tokens in a sequence")
    policy: Literal["best_fit", "concat"] = Field(description="keep documents whole where they fit, or cut anywhere")
    window_documents: int = Field(ge=1, description="documents packed together into a shard; a worker holds their ids")
    min_piece_tokens: int = Field(ge=1, description="drop shorter pieces; a piece of 1 token teaches nothing")


def pack_corpus(params: Params, tokens: Path, mixture: Path, *, shards: Path, report: Path) -> None:
    """Write the mixture's documents, in its order, as token shards. All tokens except begin markers are targets.

    Tokens in = tokens packed + tokens dropped; the report counts them by source.
    """
    from tqdm import tqdm

    from lemur.core.shards import map_shards, scratch_beside
    from lemur.tokens.shards import shard_name, write_manifest

    _, order, layout = _open(params, tokens, mixture)
    windows = []
    for number, start in enumerate(range(0, len(order), params.window_documents)):
        name = shard_name(number)
        windows.append(Window(name, (), {"shard": shards / name}, start))
    entered = np.zeros(len(order.sources), np.int64)
    dropped = np.zeros_like(entered)
    written = []
    documents_cut = 0
    with scratch_beside(shards) as scratch:
        results = map_shards(
            partial(pack_window, params), windows, scratch=scratch, start=_open, arguments=(params, tokens, mixture)
        )
        for packed in tqdm(results, desc="pack_corpus", total=len(windows), unit="window"):
            written.append(packed.shard)
            entered += packed.entered
            dropped += packed.dropped
            documents_cut += packed.cut
    manifest = write_manifest(shards, layout, written)
    rows = {}
    for source, count_in, count_dropped in zip(order.sources, entered.tolist(), dropped.tolist(), strict=True):
        rows[source] = {
            "tokens_in": count_in,
            "tokens_packed": manifest["tokens"][source],
            "tokens_dropped": {"short_piece": count_dropped} if count_dropped else {},
        }
        if count_in != manifest["tokens"][source] + count_dropped:
            raise AssertionError(f"pack_corpus: tokens of {source} do not add up: {rows[source]}")
    total = sum(manifest["tokens"].values())
    room = manifest["records"] * params.sequence_length
    write_json(
        report,
        {
            "stage": "pack_corpus",
            "documents": len(order),
            "documents_cut": documents_cut,
            "sequences": manifest["records"],
            "fullness": round(total / room, 6) if room else 1.0,
            "tokens_in": int(entered.sum()),
            "tokens_packed": total,
            "tokens_dropped": {"short_piece": int(dropped.sum())},
            "fingerprint": manifest["fingerprint"],
            "sources": rows,
        },
    )
    log.info("pack_corpus: %d tokens in %d sequences", total, manifest["records"])


@dataclass(frozen=True)
class Window(Job):
    """Output: `shard`, which may hold no record."""

    start: int
    """Place of the first document in the mixture's order."""


class Packed(NamedTuple):
    """`entered`, `dropped`: tokens by source number; `cut`: documents in several pieces."""

    shard: "Shard"
    entered: np.ndarray
    dropped: np.ndarray
    cut: int


class Inputs(NamedTuple):
    store: "TokenStore"
    order: "Order"
    layout: "Layout"


def pack_window(params: Params, inputs: Inputs, window: Window) -> Packed:
    """Pack a window's documents and write them as its shard."""
    from lemur.tokens.packing import pack
    from lemur.tokens.shards import ShardFile

    store, order, layout = inputs
    source, number = order[window.start : window.start + params.window_documents]
    first, length = np.empty((2, len(source)), np.int64)
    ids = {}
    for index in np.unique(source).tolist():
        at = source == index
        ids[index], first[at], length[at] = store.read(order.sources[index], number[at])
    packing = pack(length, params.sequence_length, params.policy)
    cut = int(np.count_nonzero(np.bincount(packing.document, minlength=1) > 1))
    begin = first[packing.document] + packing.start
    pieces = Pieces(packing.sequence, source[packing.document], begin, begin + packing.length)
    too_short = packing.length < params.min_piece_tokens
    dropped = _by_source(pieces.source[too_short], packing.length[too_short], len(order.sources))
    file = ShardFile(window.outputs["shard"], layout)
    pieces = Pieces(*(column[~too_short] for column in pieces))
    for arrays in _sequences(params.sequence_length, pieces, ids, store.manifest["begin"]):
        file.write(arrays)
    return Packed(file.close(), _by_source(source, length, len(order.sources)), dropped, cut)


def _open(params: Params, tokens: Path, mixture: Path) -> Inputs:
    from lemur.tokens.mixture import Order
    from lemur.tokens.shards import Layout, token_fields
    from lemur.tokens.token_store import TokenStore

    store, order = TokenStore(tokens), Order(read_json(mixture))
    fields = token_fields(store.vocab_size, params.sequence_length)
    return Inputs(store, order, Layout(params.sequence_length, store.vocab_size, fields, order.sources))


class Pieces(NamedTuple):
    """Of documents, in the order of their sequences: a piece is ids[source][begin:end]. Arrays int64 [pieces]."""

    sequence: np.ndarray
    source: np.ndarray
    begin: np.ndarray
    end: np.ndarray


def _sequences(
    capacity: int, pieces: Pieces, ids: dict[int, np.ndarray], begin_marker: int | None
) -> "Iterator[Arrays]":
    """The sequences that have pieces, some at a time."""
    from lemur.tokens.packing import fill

    # Numbered anew: a sequence whose pieces were all dropped is left out.
    sequence = np.cumsum(np.diff(pieces.sequence, prepend=-1) > 0) - 1
    size = max(BLOCK_TOKENS // capacity, 1)
    cuts = np.flatnonzero(np.diff(sequence // size, prepend=-1, append=-1)).tolist()
    for first, last in pairwise(cuts):
        _, source, begin, end = (column[first:last] for column in pieces)
        ranges = zip(source.tolist(), begin.tolist(), end.tolist(), strict=True)
        tokens = np.concatenate([ids[each][start:stop] for each, start, stop in ranges])
        loss = np.ones(len(tokens), bool) if begin_marker is None else tokens != begin_marker
        in_block = sequence[first:last] - sequence[first]
        yield fill(capacity, in_block, end - begin, source.astype(np.uint8), tokens, loss)


def _by_source(source: np.ndarray, tokens: np.ndarray, sources: int) -> np.ndarray:
    # Sums below 2^53 are exact in float64.
    return np.bincount(source, tokens, sources).astype(np.int64)
