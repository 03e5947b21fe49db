"""ChatML as in Lemur-Chat's training (OpenLemur/Lemur, xchat/train/train.py): text, tokens, loss mask, template."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer

from lemur.core.records import Record, read_json, write_json
from lemur.core.tokenizer_json import tokenizer_json
from lemur.model.special_tokens import special_tokens

PAD, START, END = "<pad>", "<|im_start|>", "<|im_end|>"
CHAT_TOKENS = (PAD, START, END, "<|im_sep|>", "<|diff_marker|>")
"""Added after the base vocabulary in this order (Lemur's `train.py`); they follow Llama-2's as 32000 to 32004."""

TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")
CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Encoded:
    """One conversation as tokens. `loss`: 1 for targets, which are the assistant's content, its `<|im_end|>` and the
    newline after it. `ends`: number of tokens up to the end of each message. `contents`: number of tokens in each
    message's content."""

    ids: np.ndarray  # uint32 [n]
    loss: np.ndarray  # uint8 [n]
    ends: list[int]
    contents: list[int]


class ChatTokenizer:
    """A tokenizer folder with the chat tokens, as `add_chat_tokens` writes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer = Tokenizer.from_file(str(tokenizer_json(folder)))
        missing = [token for token in CHAT_TOKENS if self.tokenizer.token_to_id(token) is None]
        if missing:
            raise ValueError(f"{folder}/tokenizer.json has no {missing}; write it with chatml.add_chat_tokens")
        self.vocab_size = self.tokenizer.get_vocab_size()
        self.bos = _bos_text(folder)
        added = self.tokenizer.get_added_tokens_decoder().values()
        self.control = tuple(sorted({token.content for token in added if token.special}))
        """Strings that the tokenizer turns into control tokens wherever they occur."""

    def encode(self, conversations: Sequence[Sequence[Record]]) -> list[Encoded]:
        """Tokens and loss masks. The mask follows from character offsets in the whole text, as in `transformers`.
        Lemur's trainer tokenised prefixes instead, which is right only if their tokens are a prefix of the whole's."""
        layouts = [_layout(messages, self.bos) for messages in conversations]
        texts = [text for text, _ in layouts]
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        return [_encoded(encoding, spans) for encoding, (_, spans) in zip(encodings, layouts, strict=True)]


def add_chat_tokens(source: Path, target: Path) -> None:
    """Copy a tokenizer folder and add the chat tokens, padding token and chat template; the base folder is not changed.
    Its own template is left out: a file of that name would count more than this one.

    A token that the base vocabulary already has (SmolLM2: `<|im_start|>`) keeps its id."""
    target.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name not in TEMPLATE_FILES:
            shutil.copyfile(file, target / file.name)
    tokenizer = Tokenizer.from_file(str(tokenizer_json(source)))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in CHAT_TOKENS])
    tokenizer.save(str(target / "tokenizer.json"))
    config = read_json(source / "tokenizer_config.json")
    # This class uses tokenizer.json as it is. For "LlamaTokenizer", transformers 5 builds another tokenizer from its
    # vocabulary, without the blank that the one Lemur was trained with (4.34) puts after a control token.
    config.update(tokenizer_class="PreTrainedTokenizerFast", pad_token=PAD, chat_template=CHAT_TEMPLATE)
    config.pop("added_tokens_decoder", None)  # lists the tokens without the chat tokens
    write_json(target / "tokenizer_config.json", config)
    special = target / "special_tokens_map.json"
    if special.exists():
        write_json(special, {**read_json(special), "pad_token": PAD})


def _bos_text(folder: Path) -> str:
    """The text that begins a conversation, by the same rule as the chat template's first line."""
    text = special_tokens(folder).get("bos_token", "")
    return "" if text == START else text


@dataclass(frozen=True)
class _Span:
    """Character positions of one message: its content [start, end), the end of its footer, whether it is a target."""

    start: int
    end: int
    footer_end: int
    is_target: bool


def _layout(messages: Sequence[Record], bos: str) -> tuple[str, list[_Span]]:
    parts, spans, position = [bos], [], len(bos)
    for message in messages:
        header, content, footer = f"{START}{message['role']}\n", message["content"].strip(), f"{END}\n"
        parts += [header, content, footer]
        start = position + len(header)
        position = start + len(content) + len(footer)
        spans.append(_Span(start, start + len(content), position, message["role"] == "assistant"))
    return "".join(parts), spans


def _encoded(encoding, spans: list[_Span]) -> Encoded:  # type: ignore[no-untyped-def]
    ids = np.array(encoding.ids, np.uint32)
    offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
    loss = np.zeros(len(ids), np.uint8)
    ends, contents = [], []
    for span in spans:
        if span.is_target:
            loss[_token_slice(offsets, span.start, span.footer_end)] = 1
        content = _token_slice(offsets, span.start, span.end)
        contents.append(content.stop - content.start)
        ends.append(int(np.searchsorted(offsets[:, 0], span.footer_end, side="left")))
    return Encoded(ids, loss, ends, contents)


def _token_slice(offsets: np.ndarray, start: int, stop: int) -> slice:
    """The tokens that cover any character of [start, stop)."""
    if start == stop:
        return slice(0, 0)
    first = int(np.searchsorted(offsets[:, 1], start, side="right"))
    last = int(np.searchsorted(offsets[:, 0], stop, side="left"))
    return slice(first, max(first, last))
