"""Bits per byte of held-out code and text: comparable between models with different tokenizers, and lower is better."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import Record, read_jsonl, write_jsonl
from lemur.evaluation import harness
from lemur.inference import remembered
from lemur.inference.interface import Model


class Params(StageParams):
    limit: int | None = Field(description="documents of each source, a seeded choice; null for all of them", gt=0)
    longest: int | None = Field(description="characters taken of a document; null for all of them", gt=0)
    seed: int = Field(description="seed of the choice of documents", ge=0)
    overlap: int = Field(
        description="tokens of a long document that its next window sees again as context; 1 is the cheapest",
        gt=0,
    )
    context: int | None = Field(description="tokens of a window; null for as many as the model allows", gt=1)
    tile: int = Field(description="sequences computed together; part of the numerics profile, not only of speed", gt=0)


class Encoder(Protocol):
    def encode_document(self, text: str) -> list[int]: ...


@dataclass
class Sums:
    """Sums over the documents of one source or group."""

    documents: int = 0
    tokens: int = 0
    bytes: int = 0
    nats: list[float] = field(default_factory=list)
    unigrams: Counter[int] = field(default_factory=Counter)

    def add(self, text: str, tokens: Sequence[int], logprob: float) -> None:
        self.documents += 1
        self.tokens += len(tokens)
        self.bytes += len(text.encode())
        self.nats.append(-logprob)
        self.unigrams.update(tokens)

    def bits_per_byte(self) -> float:
        return math.fsum(self.nats) / math.log(2) / self.bytes

    def unigram_bits_per_byte(self) -> float:
        """Of the unigram model fitted to these very tokens: no unigram model does better on them."""
        bits = math.fsum(count * math.log2(self.tokens / count) for _, count in sorted(self.unigrams.items()))
        return bits / self.bytes

    def record(self) -> Record:
        return {"documents": self.documents, "tokens": self.tokens, "bytes": self.bytes}


def bits_per_byte(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Score the held-out documents (`benchmark`: one <source>.jsonl a source); one sample a document."""
    from lemur.inference.jax_model import JaxModel
    from lemur.inference.text import TextCodec

    documents = [
        document
        for path in sorted(benchmark.glob("*.jsonl"))
        for document in harness.choose(
            list(read_jsonl(path)), params.limit, params.seed, lambda document: document["id"]
        )
        if document["text"]
    ]
    if not documents:
        raise ValueError(f"{benchmark} holds no document; check split_corpus in params.yaml")
    original = sum(1 for path in sorted(benchmark.glob("*.jsonl")) for _ in read_jsonl(path))
    loaded = JaxModel.load(model, tile=params.tile, bos=True, context=params.context)
    asked = remembered.remember(loaded, {"task": "bits_per_byte", **params.model_dump(mode="json")}, tile=params.tile)
    evaluate(params, asked, TextCodec(model, bos=True), documents, original, result, samples)


def evaluate(
    params: Params,
    model: Model,
    codec: Encoder,
    documents: list[Record],
    original: int,
    result: Path,
    samples: Path,
) -> None:
    texts = [document["text"][: params.longest] for document in documents]
    scores = model.rolling_loglikelihood(texts, overlap=params.overlap)
    sums: dict[str, Sums] = {}
    rows: list[Record] = []
    for document, text, score in zip(documents, texts, scores, strict=True):
        tokens = codec.encode_document(text)
        for name in (document["group"], document["source"]):
            sums.setdefault(name, Sums()).add(text, tokens, score.logprob)
        rows.append(
            {
                "id": document["id"],
                "source": document["source"],
                "tokens": len(tokens),
                "bytes": len(text.encode()),
                "bits": -score.logprob / math.log(2),
            }
        )
    report = harness.Report("bits_per_byte", params, 1, 0, original, len(documents))
    names = sorted(sums)
    report.results["bits_per_byte"] = {
        **{name: sums[name].bits_per_byte() for name in names},
        "unigram": {name: sums[name].unigram_bits_per_byte() for name in names},
    }
    report.config = {"sources": {name: sums[name].record() for name in names}}
    report.higher_is_better = {name: False for name in names}
    write_jsonl(samples, rows)
    report.write(result, model)
