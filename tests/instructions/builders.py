"""Fetched sources and conversations for the tests of this folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from lemur.core.records import Record, read_jsonl, write_json, write_jsonl
from lemur.core.source_shards import shard_name
from lemur.instructions.conversation import conversation
from lemur.instructions.conversations import all_shards

SOURCES = ("oasst1", "openorca", "sharegpt", "chatlogs", "evol_code_80k", "evol_codealpaca", "verified_python")


def fetched(folder: Path, name: str, files: dict[str, tuple[str, bytes | str | list[Any], dict[str, Any]]]) -> Path:
    """A folder as `fetch` writes it. `files`: path -> (schema, content, meta); a list becomes JSON or JSON lines."""
    rows = []
    for path, (schema, content, meta) in sorted(files.items()):
        target = folder / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content) if ".jsonl" in path else json.dumps(content)
        size = target.write_bytes(content.encode() if isinstance(content, str) else content)
        rows.append({"path": path, "schema": schema, "licence": "MIT", "sha256": "", "bytes": size, "meta": meta})
    place = "bundled" if files else "none"
    head = {"name": name, "title": name, "place": place, "revision": "1", "licence": "MIT"}
    write_json(folder / "source.json", {**head, "files": rows})
    return folder


def chat(*turns: str, source: str = "sharegpt", language: str | None = None, system: str = "") -> Record:
    """A conversation of alternating user and assistant turns."""
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]
    return conversation(source, messages, licence="MIT", language=language)


def conversation_folder(folder: Path, records: Sequence[Record], shards: int = 1) -> Path:
    """A folder of conversations, those of each source in `shards` shards."""
    by_source: dict[str, list[Record]] = {}
    for record in records:
        by_source.setdefault(record["source"], []).append(record)
    for source, of_source in by_source.items():
        size = -(-len(of_source) // shards)
        for number in range(shards):
            write_jsonl(folder / shard_name(source, number), of_source[number * size : (number + 1) * size])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def embedded_folder(folder: Path, records: Sequence[Record], vectors: np.ndarray, shards: int = 1) -> None:
    """The folders `in`, with the conversations, and `vectors`; row i is that of records[i]."""
    conversation_folder(folder / "in", records, shards)
    by_id = {record["id"]: row for record, row in zip(records, vectors, strict=True)}
    (folder / "vectors").mkdir(exist_ok=True)
    for _, path in all_shards(folder / "in"):
        rows = [by_id[record["id"]] for record in read_jsonl(path)]
        np.save(folder / "vectors" / f"{path.stem}.npy", np.array(rows, vectors.dtype).reshape(-1, vectors.shape[1]))


def contents(folder: Path) -> dict[str, bytes]:
    """Content by path below `folder`."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def tokenizer_folder(folder: Path, corpus: list[str] | None = None) -> Path:
    """A small byte-level BPE tokenizer in Llama-2's layout: <unk> 0, <s> 1, </s> 2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus or ["the cat sat on the mat and the user asks the assistant"] * 5, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    write_json(folder / "tokenizer_config.json", config)
    return folder
