"""Stage `pack_corpus`: pack a mixture into token shards of fixed-length sequences."""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import read_json, write_json

PACKAGES = ("array-record", "numpy")

log = logging.getLogger(__name__)


class Params(StageParams):
    sequence_length: int = Field(ge=2, description="tokens in a sequence")
    policy: Literal["best_fit", "concat"] = Field(description="keep documents whole where they fit, or cut anywhere")
    window_documents: int = Field(ge=1, description="documents packed together; bounds memory")
    min_piece_tokens: int = Field(ge=1, description="drop shorter pieces; a piece of 1 token teaches nothing")
    records_per_shard: int = Field(ge=1, description="sequences in one shard file")


def pack_corpus(params: Params, tokens: Path, mixture: Path, *, shards: Path, report: Path) -> None:
    """Write the mixture's documents, in its order, as token shards. All tokens except begin markers are targets.

    Tokens in = tokens packed + tokens dropped; the report counts them by source.
    """
    from tqdm import tqdm

    from lemur.tokens.mixture import Order
    from lemur.tokens.shards import ShardWriter, token_fields
    from lemur.tokens.token_store import TokenStore

    store = TokenStore(tokens)
    order = Order(read_json(mixture))
    window = _Window(params, store, order)
    with ShardWriter(
        shards,
        sequence_length=params.sequence_length,
        vocab_size=store.vocab_size,
        fields=token_fields(store.vocab_size, params.sequence_length),
        sources=order.sources,
        records_per_shard=params.records_per_shard,
    ) as writer:
        for start in tqdm(range(0, len(order), params.window_documents), desc="pack_corpus windows"):
            for record in window.sequences(start):
                writer.write(record)
    manifest = read_json(shards / "manifest.json")
    rows = {}
    for number, source in enumerate(order.sources):
        rows[source] = {
            "tokens_in": window.entered[number],
            "tokens_packed": manifest["tokens"][source],
            "tokens_dropped": {"short_piece": window.dropped[number]} if window.dropped[number] else {},
        }
        if window.entered[number] != manifest["tokens"][source] + window.dropped[number]:
            raise AssertionError(f"pack_corpus: tokens of {source} do not add up: {rows[source]}")
    packed = sum(manifest["tokens"].values())
    room = manifest["records"] * params.sequence_length
    write_json(
        report,
        {
            "stage": "pack_corpus",
            "documents": len(order),
            "documents_cut": window.cut,
            "sequences": manifest["records"],
            "fullness": round(packed / room, 6) if room else 1.0,
            "tokens_in": window.entered.total(),
            "tokens_packed": packed,
            "tokens_dropped": {"short_piece": window.dropped.total()},
            "fingerprint": manifest["fingerprint"],
            "sources": rows,
        },
    )
    log.info("pack_corpus: %d tokens in %d sequences", packed, manifest["records"])


class _Window:
    """Packs `window_documents` documents at a time, and counts tokens by source number."""

    def __init__(self, params: Params, store, order) -> None:  # type: ignore[no-untyped-def]
        self.params = params
        self.order = order
        self.begin: int | None = store.manifest["begin"]
        self.read = [store.reader(source) for source in order.sources]
        self.borders = [store.borders(source) for source in order.sources]
        self.entered: Counter[int] = Counter()
        self.dropped: Counter[int] = Counter()
        self.cut = 0

    def sequences(self, start: int) -> Iterator[dict[str, np.ndarray]]:
        from lemur.tokens.packing import fill, pack

        source, document = self.order[start : start + self.params.window_documents]
        first, length = np.empty_like(document), np.empty_like(document)
        for number in np.unique(source).tolist():
            borders, at = self.borders[number], source == number
            first[at] = borders[document[at]]
            length[at] = borders[document[at] + 1] - first[at]
            self.entered[number] += int(length[at].sum())
        packing = pack(length, self.params.sequence_length, self.params.policy)
        self.cut += int(np.count_nonzero(np.bincount(packing.document, minlength=1) > 1))
        for pieces in packing:
            parts = []
            for piece, offset, size in pieces:
                number = int(source[piece])
                if size < self.params.min_piece_tokens:
                    self.dropped[number] += size
                    continue
                ids = self.read[number](int(first[piece]) + offset, size)
                parts.append((ids, 1 if self.begin is None else ids != self.begin, number))
            if parts:
                yield fill(self.params.sequence_length, parts)
