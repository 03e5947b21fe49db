"""Fetched sources and conversations for the tests of this folder."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from lemur.core.records import Record, write_json
from lemur.instructions.conversation import conversation

SOURCES = ("oasst1", "openorca", "sharegpt", "chatlogs", "evol_code_80k", "evol_codealpaca", "verified_python")


def fetched(folder: Path, name: str, files: dict[str, tuple[str, bytes | str | list[Any], dict[str, Any]]]) -> Path:
    """A folder as `fetch` writes it. `files`: path -> (schema, content, meta); a list becomes JSON or JSON lines."""
    rows = []
    for path, (schema, content, meta) in sorted(files.items()):
        target = folder / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content) if ".jsonl" in path else json.dumps(content)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        rows.append({"path": path, "schema": schema, "licence": "MIT", "sha256": "", "bytes": 0, "meta": meta})
    place = "bundled" if files else "none"
    head = {"name": name, "title": name, "place": place, "revision": "1", "licence": "MIT"}
    write_json(folder / "source.json", {**head, "files": rows})
    return folder


def chat(*turns: str, source: str = "sharegpt", language: str | None = None, system: str = "") -> Record:
    """A conversation of alternating user and assistant turns."""
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]
    return conversation(source, messages, licence="MIT", language=language)


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
