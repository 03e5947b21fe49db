"""Results that the data stages and the trainings compute with numpy and that affect bytes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from lemur.corpus.dedup.minhash import band_keys, shingle_sets, signatures
from lemur.instructions.dedup.embedding_models import WordLlama
from lemur.instructions.dedup.near_duplicates import find_duplicates
from lemur.instructions.dedup.unit_vectors import unit
from lemur.instructions.english.language_detector import Detector
from lemur.sources.fetched import load
from lemur.tokens.mixture import take
from lemur.tokens.packing import pack
from lemur.training.loss import prepare
from tests.instructions.builders import fetched
from tests.processors.synthetic import text, write_tokenizer

WORDS = 2000


def arrays(work: Path) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(3)
    yield "first weights", rng.standard_normal((1000, 128), np.float32).tobytes()

    texts = [text(rng, int(rng.integers(5, 60)), WORDS) for _ in range(600)]
    vectors = _model(work, rng).encode([*texts, *(f"{each} w3" for each in texts)])
    yield "embeddings", vectors.tobytes()
    # Many near the threshold, so that sums in another order would move some across it.
    base = unit(rng.standard_normal((40, 256)))
    close = unit(np.repeat(base, 30, axis=0) + 0.02 * rng.standard_normal((1200, 256)))
    for name, rows in (("embeddings", vectors), ("close vectors", close)):
        verdicts = find_duplicates(rows, threshold=0.95, near_margin=0.01, block=256)
        yield f"duplicates among {name}", repr((verdicts.duplicate_of, verdicts.near)).encode()

    minhashes = signatures(shingle_sets(texts, 5), 112, 0)
    yield "signatures and their bands", minhashes.tobytes() + band_keys(minhashes, 14).tobytes()

    lengths = rng.integers(0, 900, 5000)
    packing = pack(lengths, 256, "best_fit")
    yield "packing", b"".join(each.tobytes() for each in (packing.document, packing.start, packing.sequence))
    yield (
        "mixture",
        repr(take("python", lengths.__getitem__, len(lengths), int(lengths.sum()), 4_000_000.5, 1)).encode(),
    )

    segments = np.sort(rng.integers(0, 5, (8, 257)), axis=1)
    batch = {"tokens": segments, "segments": segments, "positions": segments, "sources": segments}
    batch["loss"] = rng.integers(0, 2, segments.shape)
    prepared = prepare(batch, 2, "sequences")
    yield "weights of targets", prepared["weights"].tobytes()

    judged = Detector(0)
    mixed = ("the cat sat on the mat", "le chat est sur le tapis", "the chat est on le mat", "de kat zit op de mat")
    yield "languages", repr([judged.verdict(f"{each} {again}") for each in mixed for again in mixed]).encode()


def _model(work: Path, rng: np.random.Generator) -> WordLlama:
    write_tokenizer(work / "tokenizer", WORDS)
    weights = save({"embedding.weight": rng.standard_normal((WORDS, 256), np.float32).astype(np.float16)})
    tokenizer = (work / "tokenizer" / "tokenizer.json").read_bytes()
    files = {"w.safetensors": ("wordllama", weights, {}), "t.json": ("wordllama", tokenizer, {})}
    return WordLlama(load(fetched(work / "model", "embedding_model", files)))
