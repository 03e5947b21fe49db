"""Stage `tokenize_corpus`: tokenise the corpus, source by source."""

import logging
import os
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import write_json

PACKAGES = ("tokenizers",)
BATCH_CHARS = 1 << 20  # characters in a batch, over all threads

log = logging.getLogger(__name__)


class Params(StageParams):
    begin: bool = Field(description="put the beginning-of-sequence token before each document")
    end: bool = Field(description="put the end-of-sequence token after each document")


def tokenize_corpus(params: Params, train: Path, tokenizer: Path, *, tokens: Path, report: Path) -> None:
    """Write a token store (`token_store`); the report has tokens and bytes per token of each source."""
    from lemur.core import workers

    # The library's thread pool reads these on first use. Results keep the order of the texts.
    os.environ["RAYON_NUM_THREADS"] = str(workers.count())
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if workers.count() > 1 else "false"

    from lemur.corpus.sources import SOURCES
    from lemur.tokens.token_store import write_manifest, write_source
    from lemur.tokens.tokenizers.tokenizer_folder import document_markers, open_folder

    model = open_folder(tokenizer)
    markers = document_markers(tokenizer, model)
    begin = markers.begin if params.begin else None
    end = markers.end if params.end else None
    size = model.get_vocab_size()
    tokens.mkdir(parents=True)
    counts: dict[str, dict[str, int]] = {}
    rows = {}
    for source in SOURCES:
        texts = _Texts(train, source)
        documents, total = write_source(tokens, source, size, _encoded(model, texts, begin, end))
        counts[source] = {"documents": documents, "tokens": total}
        rows[source] = {
            **counts[source],
            "bytes": texts.bytes,
            "bytes_per_token": round(texts.bytes / max(total, 1), 3),
        }
    write_manifest(tokens, size, begin, end, counts)
    totals = {key: sum(row[key] for row in rows.values()) for key in ("documents", "tokens", "bytes")}
    write_json(
        report,
        {
            "stage": "tokenize_corpus",
            **totals,
            "bytes_per_token": round(totals["bytes"] / max(totals["tokens"], 1), 3),
            "vocab_size": size,
            "begin": begin,
            "end": end,
            "sources": rows,
        },
    )
    log.info("tokenize_corpus: %d documents, %d tokens", totals["documents"], totals["tokens"])


class _Texts:
    """The texts of a source; `bytes` counts the UTF-8 bytes read so far."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.source = source
        self.bytes = 0

    def __iter__(self) -> Iterator[str]:
        from tqdm import tqdm

        from lemur.corpus.documents import read_source

        for record in tqdm(read_source(self.folder, self.source), desc=f"tokenize {self.source}"):
            text: str = record["text"]
            self.bytes += len(text.encode())
            yield text


def _encoded(model, texts: _Texts, begin: int | None, end: int | None) -> Iterator[np.ndarray]:  # type: ignore[no-untyped-def]
    before = [] if begin is None else [begin]
    after = [] if end is None else [end]
    for batch in _batches(iter(texts)):
        for encoding in model.encode_batch_fast(batch, add_special_tokens=False):
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
