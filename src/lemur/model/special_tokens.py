"""The special tokens that a tokenizer folder names, which some folders write as strings and others as objects."""

from pathlib import Path
from typing import Any

from lemur.core.records import read_json

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def special_tokens(folder: Path) -> dict[str, str]:
    """Name to text of the tokens that are set, as `transformers` finds them: `special_tokens_map.json` overrides
    `tokenizer_config.json` unless the latter lists all added tokens. Raises `ValueError` for any other shape."""
    path, older = folder / "tokenizer_config.json", folder / "special_tokens_map.json"
    config = read_json(path)
    origins = dict.fromkeys(config, path)
    if "added_tokens_decoder" not in config and older.is_file():
        tokens = read_json(older)
        config, origins = {**config, **tokens}, {**origins, **dict.fromkeys(tokens, older)}
    texts = {name: token_text(config[name], origins[name], name) for name in NAMES if name in config}
    return {name: text for name, text in texts.items() if text is not None}


def token_text(value: Any, path: Path, name: str) -> str | None:
    """The text of a special token; None if it is not set."""
    text = value.get("content") if isinstance(value, dict) else value
    if isinstance(text, str) or value is None:
        return text
    raise ValueError(f"{path}: {name} is {value!r}; a string, an object with a string as `content`, or null is allowed")
