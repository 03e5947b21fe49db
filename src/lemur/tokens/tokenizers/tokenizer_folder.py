"""Writes and opens tokenizer folders: tokenizer.json, and the tokenizer_config.json that `transformers` needs."""

from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from lemur.core.records import write_json
from lemur.core.tokenizer_json import tokenizer_json
from lemur.model.special_tokens import special_tokens

END_OF_TEXT = "<|endoftext|>"
_CHAT = ("<|im_start|>", "<|im_end|>")


class Markers(NamedTuple):
    """Ids of the tokens around a document; None = no such token."""

    begin: int | None
    end: int | None


def write_folder(folder: Path, tokenizer: Tokenizer, *, bos: str, eos: str, unk: str, max_length: int | None) -> None:
    """Write the folder. With `PreTrainedTokenizerFast`, transformers 4 and 5 both use tokenizer.json as it is."""
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": bos,
        "eos_token": eos,
        "unk_token": unk,
        "clean_up_tokenization_spaces": False,
        **({} if max_length is None else {"model_max_length": max_length}),
    }
    write_json(folder / "tokenizer_config.json", config)


def open_folder(folder: Path) -> Tokenizer:
    """The tokenizer, set to read control tokens in a text as ordinary characters, so that no document holds one."""
    tokenizer = Tokenizer.from_file(str(tokenizer_json(folder)))
    tokenizer.encode_special_tokens = True
    # A published tokenizer.json may set either.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def document_markers(folder: Path, tokenizer: Tokenizer) -> Markers:
    """BOS and EOS, as in EasyLM; if the tokenizer has `<|endoftext|>` (SmolLM2), that as end, as in its pre-training.

    SmolLM2's own BOS and EOS are ChatML's, which begin and end turns, not documents.
    """
    tokens = special_tokens(folder)

    def identifier(key: str) -> int | None:
        text = tokens.get(key)
        return None if text is None or text in _CHAT else tokenizer.token_to_id(text)

    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    return Markers(identifier("bos_token"), end_of_text if end_of_text is not None else identifier("eos_token"))
