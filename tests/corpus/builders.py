"""Small corpora, token stores and shards for the tests of this folder."""

import json
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lemur.core.records import Record, content_id, read_json
from lemur.core.rejects import read_rejects
from lemur.corpus.dedup_corpus import Params as DedupParams
from lemur.corpus.dedup_corpus import dedup_corpus
from lemur.corpus.documents import documents_writer, read_documents
from lemur.corpus.sources import SOURCES, group
from lemur.tokens.shards import Shards, ShardWriter, open_shards, token_fields
from lemur.tokens.token_store import TokenStore, write_manifest, write_shard

DEDUP = DedupParams(
    shingle_words=5,
    renamed_tokens=12,
    bands=14,
    rows=8,
    min_similarity=0.7,
    min_renamed_similarity=0.8,
    seed=0,
    planted=0,
    memory_mb=64,
)


WORDS = [f"word{number}" for number in range(300)]


def text(seed: Any, length: int = 200) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length)) + "\n"


def dedup(
    folder: Path, documents: Sequence[Record], shards: int = 1, **changes: Any
) -> tuple[list[Record], list[Record], Record]:
    """Run `dedup_corpus` in `folder`: the documents that are kept, the rejects and the report."""
    dedup_corpus(
        DEDUP.model_copy(update=changes),
        corpus(folder / "in", documents, shards),
        distinct=folder / "d",
        rejects=folder / "r",
        clusters=folder / "c.jsonl",
        report=folder / "r.json",
    )
    return read_corpus(folder / "d"), list(read_rejects(folder / "r")), read_json(folder / "r.json")


def fetched(folder: Path, files: Mapping[str, tuple[bytes, str, str, dict[str, Any]]]) -> Path:
    """A folder as the stage `fetch` writes it. `files`: name -> (bytes, schema, licence, meta)."""
    for name, (data, *_) in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return listed(folder, {name: about for name, (_, *about) in files.items()})


def listed(folder: Path, files: Mapping[str, Sequence[Any]]) -> Path:
    """The same of files that are there already. `files`: name -> (schema, licence, meta)."""
    rows = [
        {
            "path": name,
            "schema": schema,
            "licence": licence,
            "meta": meta,
            "sha256": "",
            "bytes": (folder / "files" / name).stat().st_size,
        }
        for name, (schema, licence, meta) in sorted(files.items())
    ]
    folder.mkdir(parents=True, exist_ok=True)
    head = {"name": folder.name, "title": folder.name, "place": "bundled", "revision": "1", "licence": "MIT"}
    (folder / "source.json").write_text(json.dumps({**head, "files": rows}), encoding="utf-8")
    return folder


def jsonl(*records: Any) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def document(source: str, text: str, identifier: str | None = None) -> Record:
    identifier = identifier or content_id(source, text)
    return {"id": identifier, "source": source, "group": group(source), "licence": "MIT", "text": text}


def corpus(folder: Path, documents: Sequence[Record], shards: int = 1) -> Path:
    """A folder of documents, dealt out to `shards` shards of each source."""
    for number in range(shards):
        with documents_writer(folder, number) as write:
            for record in documents[number::shards]:
                write(record)
    return folder


def read_corpus(folder: Path) -> list[Record]:
    return list(read_documents(folder))


def files(folder: Path) -> dict[str, bytes]:
    """Content by path below `folder`."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def token_store(
    folder: Path, lengths: Mapping[str, Sequence[int]], *, vocab_size: int = 1000, cuts: Sequence[int] = ()
) -> Path:
    """A token store: random ids, different for each source and document, after begin marker 1.

    `cuts`: rising numbers of documents after which a source's next shard begins.
    """
    folder.mkdir(parents=True)
    shards = {}
    for number, source in enumerate(SOURCES):
        rng = np.random.default_rng(number)
        documents = [rng.integers(3, vocab_size, length) for length in lengths.get(source, ())]
        for ids in documents:
            ids[:1] = 1
        names = [folder / f"{source}-{shard:05d}" for shard in range(len(cuts) + 1)]
        shards[source] = [
            write_shard(Path(f"{name}.npy"), Path(f"{name}.borders.npy"), vocab_size, documents[start:end])
            for name, (start, end) in zip(names, pairwise([0, *cuts, None]), strict=True)
        ]
    write_manifest(folder, vocab_size, 1, 2, shards)
    return folder


def stored(store: TokenStore, source: str) -> list[list[int]]:
    """The ids of all documents of a source."""
    ids, first, length = store.read(source, np.arange(store.documents(source)))
    return [ids[start : start + size].tolist() for start, size in zip(first, length, strict=True)]


def shards(folder: Path, records: int, *, length: int = 8, per_shard: int = 7) -> Shards:
    """Record i holds token i at every position."""
    fields = token_fields(max(records, 10), length)
    with ShardWriter(
        folder,
        sequence_length=length,
        vocab_size=max(records, 10),
        fields=fields,
        sources=["a", "b"],
        records_per_shard=per_shard,
    ) as writer:
        for index in range(records):
            ones = np.ones(length, np.uint16)
            writer.write(
                {
                    "tokens": np.full(length, index),
                    "segments": ones,
                    "positions": np.arange(length),
                    "sources": ones * (index % 2),
                    "loss": ones,
                }
            )
    return open_shards(folder)
