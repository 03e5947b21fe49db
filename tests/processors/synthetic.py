"""Synthetic inputs of the demo's shapes: a word tokenizer, texts, held-out documents, packed sequences."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from lemur.core.records import write_jsonl
from lemur.tokens.packing import fill_one
from lemur.tokens.shards import Arrays, ShardWriter, token_fields
from lemur.tokens.tokenizers.tokenizer_folder import write_folder

SPECIAL = ("<unk>", "<s>", "</s>")
CHAT = ("<pad>", "<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|diff_marker|>")
SOURCES = ("python", "books", "wikipedia")


def write_tokenizer(folder: Path, vocabulary: int, *, chat: bool = False) -> None:
    """One token per word, from `w3` to the end of the vocabulary; with `chat`, Lemur-Chat's tokens follow."""
    words = [*SPECIAL, *(f"w{number}" for number in range(len(SPECIAL), vocabulary))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if chat:
        tokenizer.add_special_tokens(list(CHAT))
    write_folder(folder, tokenizer, bos="<s>", eos="</s>", unk="<unk>", max_length=None)


def tokens(rng: np.random.Generator, count: int, vocabulary: int) -> np.ndarray:
    """Ids of words, low ones frequent and high ones rare."""
    share = rng.random(count)
    return (len(SPECIAL) + share * share * share * (vocabulary - len(SPECIAL))).astype(np.int64)


def text(rng: np.random.Generator, words: int, vocabulary: int) -> str:
    return " ".join(f"w{token}" for token in tokens(rng, words, vocabulary))


def write_heldout(folder: Path, vocabulary: int) -> None:
    rng = np.random.default_rng(5)
    for group in ("code", "text"):
        documents = [
            {"id": f"{n}", "source": group, "group": group, "licence": "-", "text": text(rng, 9 + 99 * n, vocabulary)}
            for n in range(6)
        ]
        write_jsonl(folder / f"{group}.jsonl", documents)


def write_shards(folder: Path, sequences: int, length: int, vocabulary: int, *, chat: bool = False) -> None:
    """Packed documents; with `chat`, packed conversations in which every second turn is a target."""
    rng = np.random.default_rng([length, sequences])
    size = vocabulary + (len(CHAT) if chat else 0)
    with ShardWriter(
        folder,
        sequence_length=length,
        vocab_size=size,
        fields=token_fields(size, length),
        sources=SOURCES,
        records_per_shard=4096,
    ) as writer:
        for _ in range(sequences):
            writer.write(_sequence(rng, length, vocabulary, chat))
    if chat:
        write_tokenizer(folder / "tokenizer", vocabulary, chat=True)


def _sequence(rng: np.random.Generator, length: int, vocabulary: int, chat: bool) -> Arrays:
    parts, left = [], length - int(rng.integers(9))  # the rest is padding
    while left > 1:
        size = min(int(rng.integers(2, length)), left)
        turns = np.arange(size) // rng.integers(3, 40) % 2
        parts.append((tokens(rng, size, vocabulary), turns if chat else 1, int(rng.integers(len(SOURCES)))))
        left -= size
    return fill_one(length, parts)
