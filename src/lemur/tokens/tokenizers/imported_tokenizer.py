"""Tokenizers that come with models: tokenizer.json, SentencePiece's tokenizer.model, or in a GGUF file (SmolLM2)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from lemur.model.special_tokens import token_text

_CONTROL = 3  # GGUF's token type of control tokens


@dataclass(frozen=True)
class Imported:
    tokenizer: Tokenizer
    bos: str
    eos: str
    unk: str
    max_length: int | None


def from_json(path: Path, config: Path | None = None) -> Imported:
    """A tokenizer.json. BOS, EOS and UNK come from `config` (tokenizer_config.json), without it from Llama-2."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    stated: dict[str, Any] = json.loads(config.read_bytes()) if config else {}
    tokens: dict[str, str] = {}
    for key, default in (("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")):
        content = (token_text(stated.get(key), config, key) if config else None) or default
        if tokenizer.token_to_id(content) is None:
            raise ValueError(
                f"{path}: {key} {content!r} is not in the vocabulary; set it to one that is, in tokenizer_config.json"
            )
        tokens[key.removesuffix("_token")] = content
    length = stated.get("model_max_length")
    return Imported(tokenizer, **tokens, max_length=int(length) if length and length < 1 << 30 else None)


def from_sentencepiece(path: Path) -> Imported:
    """A SentencePiece tokenizer.model (Llama-2's). Raises the errors of `sentencepiece_model.read`."""
    from lemur.tokens.tokenizers.sentencepiece_model import read

    return Imported(*read(path), max_length=None)


def from_gguf(path: Path) -> Imported:
    """The byte-level BPE tokenizer of a GGUF file. Raises `ValueError` for kinds that are not tested."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields

    def value(key: str) -> Any:
        if key not in fields:
            raise ValueError(f"{path}: the GGUF file has no {key}; another file of this model may have it")
        return fields[key].contents()

    kind = value("tokenizer.ggml.model"), value("tokenizer.ggml.pre")
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"{path}: tokenizer {kind}; ('gpt2', 'smollm') is allowed: give the model's tokenizer.json")
    tokens = value("tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ", 1)) for merge in value("tokenizer.ggml.merges")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    types = value("tokenizer.ggml.token_type")
    control = [token for token, type_ in zip(tokens, types, strict=True) if type_ == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    bos, eos, unk = (tokens[value(f"tokenizer.ggml.{name}_token_id")] for name in ("bos", "eos", "unknown"))
    length = fields["llama.context_length"].contents() if "llama.context_length" in fields else None
    return Imported(tokenizer, bos, eos, unk, length)
