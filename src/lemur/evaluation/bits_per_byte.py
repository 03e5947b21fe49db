"""Bits per byte of held-out code and text: lower is better, and models with different tokenizers are comparable."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import Field

from lemur.core import source_shards
from lemur.core.records import Record
from lemur.evaluation.harness.parameters import ItemParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import Sample
from lemur.evaluation.harness.task import Task
from lemur.inference import backends
from lemur.inference.interface import Model


class Params(ItemParams):
    limit: int | None = Field(description="documents per source, a seeded choice; null for all", gt=0)
    longest: int | None = Field(description="maximum characters of a document; null for all", gt=0)
    seed: int = Field(description="seed of the choice of documents", ge=0)
    overlap: int = Field(
        description="tokens that each window of a long document repeats as context; 1 is the cheapest",
        gt=0,
    )
    context: int | None = Field(description="tokens of a window; null for as many as the model allows", gt=1)


class Encoder(Protocol):
    def encode_document(self, text: str) -> list[int]: ...


@dataclass(frozen=True)
class Document:
    id: str
    source: str
    group: str
    text: str


@dataclass(frozen=True)
class Measurement:
    """The `tokens` and `bytes` of a document's text, and the log-probability of all its tokens."""

    tokens: Sequence[int]
    bytes: int
    logprob: float


@dataclass
class Sums:
    """Sums over the documents of one source or group."""

    documents: int = 0
    tokens: int = 0
    bytes: int = 0
    nats: list[float] = field(default_factory=list)
    unigrams: Counter[int] = field(default_factory=Counter)

    def add(self, measured: Measurement) -> None:
        self.documents += 1
        self.tokens += len(measured.tokens)
        self.bytes += measured.bytes
        self.nats.append(-measured.logprob)
        self.unigrams.update(measured.tokens)

    def bits_per_byte(self) -> float:
        return math.fsum(self.nats) / math.log(2) / self.bytes

    def unigram_bits_per_byte(self) -> float:
        """Bits per byte of a unigram model fitted to these very tokens: no unigram model does better on them."""
        bits = math.fsum(count * math.log2(self.tokens / count) for _, count in sorted(self.unigrams.items()))
        return bits / self.bytes

    def record(self) -> Record:
        return {"documents": self.documents, "tokens": self.tokens, "bytes": self.bytes}


def bits_per_byte(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Score the held-out documents (`benchmark`: a folder of their shards); one sample per document."""
    run(task(params, model, benchmark), model, result, samples)


def task(params: Params, model: Path, benchmark: Path) -> "BitsPerByte":
    from lemur.inference.text import TextCodec

    pools = [read(benchmark, source) for source in source_shards.sources(benchmark)]
    if not any(document.text for pool in pools for document in pool):
        raise ValueError(f"{benchmark} has no documents; check split_corpus in params.yaml")
    return BitsPerByte(params, pools, TextCodec(model, bos=True))


def read(folder: Path, source: str) -> list[Document]:
    return [
        Document(record["id"], record["source"], record["group"], record["text"])
        for record in source_shards.read_source(folder, source)
    ]


@dataclass(frozen=True)
class BitsPerByte(Task[Document, Measurement]):
    name = "bits_per_byte"
    params: Params
    codec: Encoder

    def open(self, folder: Path) -> Model:
        params = self.params
        return backends.open_model(folder, "jax", task=self.name, tile=params.tile, bos=True, context=params.context)

    def id(self, item: Document) -> str:
        return item.id

    def choose(self) -> list[Document]:
        return [document for document in super().choose() if document.text]

    def ask(self, model: Model, items: Sequence[Document]) -> list[Sample[Document, Measurement]]:
        texts = [document.text[: self.params.longest] for document in items]
        scores = model.rolling_loglikelihood(texts, overlap=self.params.overlap)
        return [
            Sample(item, "", None, Measurement(self.codec.encode_document(text), len(text.encode()), score.logprob))
            for item, text, score in zip(items, texts, scores, strict=True)
        ]

    def results(self, samples: Sequence[Sample[Document, Measurement]]) -> dict[str, Mapping[str, object]]:
        sums = self.sums(samples)
        bits = {name: each.bits_per_byte() for name, each in sums.items()}
        return {self.name: {**bits, "unigram": {name: each.unigram_bits_per_byte() for name, each in sums.items()}}}

    def sums(self, samples: Sequence[Sample[Document, Measurement]]) -> dict[str, Sums]:
        """Sums by source and by group."""
        sums: dict[str, Sums] = {}
        for sample in samples:
            for name in (sample.item.group, sample.item.source):
                sums.setdefault(name, Sums()).add(sample.answer)
        return sums

    def higher_is_better(self, results: Mapping[str, Mapping[str, object]]) -> dict[str, bool]:
        return {name: False for name in results[self.name] if name != "unigram"}

    def record(self, sample: Sample[Document, Measurement]) -> Record:
        return {
            "id": sample.item.id,
            "source": sample.item.source,
            "tokens": len(sample.answer.tokens),
            "bytes": sample.answer.bytes,
            "bits": -sample.answer.logprob / math.log(2),
        }

    def config(self, model: Model, samples: Sequence[Sample[Document, Measurement]]) -> Record:
        return {"sources": {name: each.record() for name, each in self.sums(samples).items()}}
