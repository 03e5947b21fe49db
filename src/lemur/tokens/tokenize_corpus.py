"""Stage `tokenize_corpus`: tokenise the corpus, shard by shard."""

import logging
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import Record, read_jsonl, write_json
from lemur.core.shards import Job
from lemur.core.tokenizer_threads import one_thread

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGES = ("tokenizers",)
BATCH_CHARS = 1 << 20  # characters in a batch

log = logging.getLogger(__name__)


class Params(StageParams):
    begin: bool = Field(description="put the beginning-of-sequence token before each document")
    end: bool = Field(description="put the end-of-sequence token after each document")


def tokenize_corpus(params: Params, train: Path, tokenizer: Path, *, tokens: Path, report: Path) -> None:
    """Write a token store (`token_store`); the report has tokens and bytes per token of each source."""
    from tqdm import tqdm

    from lemur.core.shards import map_shards, scratch_beside
    from lemur.corpus.documents import all_shards
    from lemur.corpus.sources import SOURCES
    from lemur.tokens.token_store import write_manifest

    shards = [
        Shard(
            path.stem,
            (path,),
            {"ids": tokens / f"{path.stem}.npy", "borders": tokens / f"{path.stem}.borders.npy"},
            source,
        )
        for source, path in all_shards(train)
    ]
    tokens.mkdir(parents=True)
    written: dict[str, list[Record]] = {source: [] for source in SOURCES}
    text_bytes = dict.fromkeys(SOURCES, 0)
    with scratch_beside(tokens) as scratch:
        results = map_shards(
            tokenize_shard, shards, scratch=scratch, start=_open, arguments=(params, tokenizer), shared=()
        )
        progress = tqdm(results, desc="tokenize_corpus", total=len(shards), unit="shard")
        for shard, (row, size) in zip(shards, progress, strict=True):
            written[shard.source].append(row)
            text_bytes[shard.source] += size
    encoder = _open(params, tokenizer)
    write_manifest(tokens, encoder.vocab_size, encoder.begin, encoder.end, written)
    rows = {source: _row(written[source], text_bytes[source]) for source in SOURCES}
    totals = _row([row for each in written.values() for row in each], sum(text_bytes.values()))
    extras = {"vocab_size": encoder.vocab_size, "begin": encoder.begin, "end": encoder.end, "sources": rows}
    write_json(report, {"stage": "tokenize_corpus", **totals, **extras})
    log.info("tokenize_corpus: %d documents, %d tokens", totals["documents"], totals["tokens"])


@dataclass(frozen=True)
class Shard(Job):
    """Input: documents of one source. Outputs: `ids`, `borders`."""

    source: str


class Encoder(NamedTuple):
    model: "Tokenizer"
    vocab_size: int
    begin: int | None
    """The marker before each document, and after it; None = none."""
    end: int | None


def tokenize_shard(encoder: Encoder, shard: Shard) -> tuple[Record, int]:
    """The shard's row of the manifest, and the UTF-8 bytes of its texts."""
    from lemur.tokens.token_store import write_shard

    size = 0

    def texts() -> Iterator[str]:
        nonlocal size
        for record in read_jsonl(shard.inputs[0]):
            text: str = record["text"]
            size += len(text.encode())
            yield text

    row = write_shard(shard.outputs["ids"], shard.outputs["borders"], encoder.vocab_size, _encoded(encoder, texts()))
    return row, size


def _open(params: Params, tokenizer: Path) -> Encoder:
    from lemur.tokens.tokenizers.tokenizer_folder import document_markers, open_folder

    one_thread()
    model = open_folder(tokenizer)
    markers = document_markers(tokenizer, model)
    begin = markers.begin if params.begin else None
    end = markers.end if params.end else None
    return Encoder(model, model.get_vocab_size(), begin, end)


def _encoded(encoder: Encoder, texts: Iterator[str]) -> Iterator[np.ndarray]:
    before = [] if encoder.begin is None else [encoder.begin]
    after = [] if encoder.end is None else [encoder.end]
    for batch in _batches(texts):
        for encoding in encoder.model.encode_batch_fast(batch, add_special_tokens=False):
            # Twice as fast as np.array on a list.
            yield np.frombuffer(array("I", [*before, *encoding.ids, *after]), np.uint32)


def _batches(texts: Iterator[str]) -> Iterator[list[str]]:
    """Lists of texts that together reach `BATCH_CHARS`."""
    batch: list[str] = []
    chars = 0
    for text in texts:
        batch.append(text)
        chars += len(text)
        if chars >= BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _row(shards: list[Record], text_bytes: int) -> Record:
    tokens = sum(shard["tokens"] for shard in shards)
    return {
        "documents": sum(shard["documents"] for shard in shards),
        "tokens": tokens,
        "bytes": text_bytes,
        "bytes_per_token": round(text_bytes / max(tokens, 1), 3),
    }
