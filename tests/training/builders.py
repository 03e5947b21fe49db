"""A tokenizer, held-out documents and token shards that are small enough to train on in a second."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lemur.core.parameter_blocks import current_blocks
from lemur.core.records import write_json, write_jsonl
from lemur.tokens.shards import ShardWriter, token_fields

LENGTH = 32
LETTERS = "abcdefghijklmnopqrstuvwxyz ()=:\n"
WORDS = ["def f(x):\n", "return x\n", "the cat sat ", "on a mat "]


def parameters(stage: str, **changes: Any) -> dict[str, Any]:
    """The stage's block of params.yaml, changed to a tiny model and few steps."""
    block = current_blocks()[stage]
    tiny: dict[str, Any] = {"batch_size": 4, "microbatches": 2, "remat": "none", "optimizer": {"warmup_steps": 2}}
    tiny |= {"eval_every": 3, "heldout_bytes": 200}
    if stage != "instruction_tuning":
        tiny["steps"] = 6
    if stage == "base_model":
        shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        tiny["model"] = {**shape, "num_key_value_heads": 1, "max_position_embeddings": LENGTH}
    return merged(merged(block, tiny), changes)


def merged(block: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(block)
    for key, value in changes.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) else value
    return result


def write_tokenizer(folder: Path, *, chat: bool = False) -> Tokenizer:
    """One token per character, after <unk> <s> </s>; with `chat`, followed by Lemur-Chat's tokens."""
    folder.mkdir(parents=True)
    vocabulary = {token: index for index, token in enumerate(["<unk>", "<s>", "</s>", *LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    if chat:
        tokenizer.add_special_tokens(["<pad>", "<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|diff_marker|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(folder / "tokenizer_config.json", {**config, **({"chat_template": "..."} if chat else {})})
    return tokenizer


def write_shards(
    folder: Path, tokenizer: Tokenizer, *, sequences: int = 24, seed: int = 0, sources: Sequence[str] = ("a", "b")
) -> None:
    """Sequences of two documents made of WORDS and padding; every second token of a document is a target."""
    rng = np.random.default_rng(seed)
    vocabulary = tokenizer.get_vocab_size()
    fields = token_fields(vocabulary, LENGTH)
    with ShardWriter(
        folder,
        sequence_length=LENGTH,
        vocab_size=vocabulary,
        fields=fields,
        sources=list(sources),
        records_per_shard=16,
    ) as writer:
        for _ in range(sequences):
            ids = [tokenizer.encode("".join(rng.choice(WORDS, 3))).ids[:size] for size in (17, 11)]
            padding = LENGTH - sum(map(len, ids))
            counts = [len(ids[0]), len(ids[1]), padding]
            writer.write(
                {
                    "tokens": np.array([*ids[0], *ids[1], *[0] * padding]),
                    "segments": np.repeat([1, 2, 0], counts),
                    "positions": np.concatenate([np.arange(count) for count in counts]),
                    "sources": np.repeat([0, 1, 0], counts),
                    "loss": (np.arange(LENGTH) % 2 == 0).astype(np.uint8),
                }
            )


def write_inputs(folder: Path) -> None:
    """tokenizer/, heldout/, packed/ (base vocabulary), encoded/ (with tokenizer/ and chat vocabulary)."""
    tokenizer = write_tokenizer(folder / "tokenizer")
    write_shards(folder / "packed", tokenizer)
    chat = write_tokenizer(folder / "encoded" / "tokenizer", chat=True)
    write_shards(folder / "encoded", chat, sequences=10, seed=5)
    for source, group, text in (("python", "code", WORDS[0] + WORDS[1]), ("books", "text", WORDS[2] + WORDS[3])):
        documents = [{"id": str(n), "source": source, "group": group, "licence": "-", "text": text * 3} for n in (1, 2)]
        write_jsonl(folder / "heldout" / f"{source}-00000.jsonl", documents)
    write_jsonl(folder / "heldout" / "java-00000.jsonl", [])
