"""A model folder's tokenizer and chat template, and stop strings."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from lemur.core.records import read_json
from lemur.core.tokenizer_json import tokenizer_json
from lemur.inference.chat_template import ChatTemplate, find_chat_template
from lemur.model.special_tokens import special_tokens
from lemur.tokens.tokenizers.tokenizer_folder import open_folder

# Tokens of the prompt that are decoded together with an answer and then cut off: decoders treat a text's first token
# differently (Llama's drops its space), which would break the indentation of continued code.
ANCHOR = 8
# ChatML's first token of each turn, which SmolLM2's chat models name as bos_token.
_TURN = "<|im_start|>"


class TextCodec:
    """The tokenizer and chat template of a model folder. Uses no network and runs no code from the folder."""

    def __init__(self, folder: Path, *, bos: bool) -> None:
        """`bos`: whether prompts begin with the beginning-of-text token (the paper's scripts leave it out)."""
        self.folder = folder
        self.bos = bos
        self._tokenizer = Tokenizer.from_file(str(tokenizer_json(folder)))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def _optional(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        return dict(read_json(path)) if path.is_file() else {}

    @property
    def chat_template(self) -> str | None:
        """The template's text. Raises the errors of `find_chat_template`."""
        return None if self._chat_template is None else self._chat_template.text

    @cached_property
    def _chat_template(self) -> ChatTemplate | None:
        return find_chat_template(self.folder, self._special_tokens)

    @cached_property
    def _special_tokens(self) -> dict[str, str]:
        return special_tokens(self.folder) if (self.folder / "tokenizer_config.json").is_file() else {}

    @cached_property
    def bos_id(self) -> int:
        """The beginning-of-text token, or the end-of-text token if a tokenizer has no other (as GPT-2's)."""
        for key in ("bos_token", "eos_token"):
            text = self._special_tokens.get(key)
            if text and (number := self._tokenizer.token_to_id(text)) is not None:
                return int(number)
        raise ValueError(
            f"{self.folder / 'tokenizer_config.json'}: neither bos_token nor eos_token names a known token"
        )

    @cached_property
    def leading_tokens(self) -> list[int]:
        """Tokens before every prompt. A template writes `<|im_start|>` itself, so it is never put before a prompt."""
        return [self.bos_id] if self.bos and self._special_tokens.get("bos_token") != _TURN else []

    @cached_property
    def eos_ids(self) -> frozenset[int]:
        """Tokens that end an answer: eos_token_id of generation_config.json (and config.json), and `<|im_end|>`."""
        ids: set[int] = set()
        for name in ("config.json", "generation_config.json"):
            value = self._optional(name).get("eos_token_id")
            ids.update([value] if isinstance(value, int) else value or [])
        if self.chat_template is not None and (end := self._tokenizer.token_to_id("<|im_end|>")) is not None:
            ids.add(end)
        return frozenset(ids)

    def settings(self) -> dict[str, Any]:
        """The tokens that this codec adds to prompts, and those that end an answer."""
        return {
            "leading": self.leading_tokens,
            "special": self._special_tokens,
            "end": sorted(self.eos_ids),
        }

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`, without added special tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_document(self, text: str) -> list[int]:
        """Tokens of a text as in training: the name of a control token counts as ordinary characters."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _plain(self) -> Tokenizer:
        return open_folder(self.folder)

    def encode_prompt(self, text: str) -> list[int]:
        """Tokens of a prompt, after the beginning-of-text token if this codec adds one."""
        return self.leading_tokens + self.encode(text)

    def encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Tokens of context and continuation, cut where the context's own tokens end. White space at the context's end
        moves to the continuation, as in lm-evaluation-harness: tokenizers keep a word with the space before it."""
        spaces = len(context) - len(context.rstrip())
        if spaces:
            context, continuation = context[:-spaces], context[-spaces:] + continuation
        cut = len(self.encode(context))
        whole = self.encode(context + continuation)
        return self.leading_tokens + whole[:cut], whole[cut:]

    def decode_answer(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        """The text that `answer` adds to `prompt`, without special tokens."""
        anchor = list(prompt[-ANCHOR:])
        before = self._tokenizer.decode(anchor)
        return self._tokenizer.decode([*anchor, *answer])[len(before) :]

    def token_text(self, token: int) -> str:
        """The text of one token, a special one's name included; U+FFFD for bytes that are no whole character."""
        return self._tokenizer.decode([token], skip_special_tokens=False)

    def prompt_text(self, tokens: Sequence[int]) -> str:
        """The text of a prompt given as tokens, without special tokens."""
        return self._tokenizer.decode(list(tokens))

    def chat_prompt(self, messages: Sequence[dict[str, str]], prefill: str) -> str:
        """The conversation in the model's template up to the assistant's turn, which `prefill` begins. Without the
        beginning-of-text token at its start, which `encode_prompt` adds."""
        if self._chat_template is None:
            raise ValueError(f"{self.folder} has no chat template; use plain prompts (chat: completion)")
        text = self._chat_template.render(messages)
        bos = self._special_tokens.get("bos_token", "")
        return (text if bos == _TURN else text.removeprefix(bos)) + prefill

    def hashes(self) -> dict[str, str | None]:
        """SHA-256 of the tokenizer file and of the chat template."""
        template = self.chat_template
        return {
            "tokenizer_hash": hashlib.sha256((self.folder / "tokenizer.json").read_bytes()).hexdigest(),
            "chat_template_sha": None if template is None else hashlib.sha256(template.encode()).hexdigest(),
        }


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """The position of the earliest stop string, or `None`."""
    positions = [position for position in (text.find(string) for string in stop) if position >= 0]
    return min(positions, default=None)
