"""Stage `tokenizer`: train the tokenizer, or import Llama-2's or the base model's."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import write_json

if TYPE_CHECKING:
    from lemur.sources.fetched import FetchedFile
    from lemur.tokens.tokenizers.imported_tokenizer import Imported

PACKAGES = ("tokenizers",)

log = logging.getLogger(__name__)


class Params(StageParams):
    kind: Literal["train", "llama2", "base_weights"] = Field(description="where the tokenizer comes from")
    vocab_size: int = Field(ge=260, description="tokens of a trained tokenizer, including the three special ones")
    character_coverage: float = Field(gt=0, le=1, description="share of characters with a token; others become bytes")
    max_token_chars: int = Field(ge=1, description="longest token of a trained tokenizer, characters")
    max_bytes: int = Field(ge=1, description="UTF-8 bytes of each source to train on, chosen by hash")
    seed: int = Field(ge=0, description="seed of that choice")


def tokenizer(params: Params, train: Path, llama2: Path, base_weights: Path, *, tokenizer: Path, report: Path) -> None:
    """Write the tokenizer folder; the report has its size, special tokens and number of training documents."""
    from lemur.sources.fetched import load
    from lemur.tokens.tokenizers import vocabulary
    from lemur.tokens.tokenizers.imported_tokenizer import Imported
    from lemur.tokens.tokenizers.tokenizer_folder import open_folder, write_folder

    match params.kind:
        case "train":
            trained = vocabulary.train(
                lambda: _texts(params, train),
                vocab_size=params.vocab_size,
                character_coverage=params.character_coverage,
                max_token_chars=params.max_token_chars,
            )
            source = Imported(trained, vocabulary.BOS, vocabulary.EOS, vocabulary.UNK, None)
        case "llama2":
            source = _imported(load(llama2).files, "llama2", llama2)
        case "base_weights":
            source = _imported(load(base_weights).files, "base_weights", base_weights)
    write_folder(
        tokenizer, source.tokenizer, bos=source.bos, eos=source.eos, unk=source.unk, max_length=source.max_length
    )
    written = open_folder(tokenizer)
    size = written.get_vocab_size()
    write_json(
        report,
        {
            "stage": "tokenizer",
            "kind": params.kind,
            "vocab_size": size,
            "special": {name: written.token_to_id(name) for name in (source.unk, source.bos, source.eos)},
            "trained_on_documents": sum(1 for _ in _texts(params, train)) if params.kind == "train" else 0,
        },
    )
    log.info("tokenizer: %s, %d tokens", params.kind, size)


def _texts(params: Params, train: Path) -> Iterator[str]:
    """The documents of lowest rank of each source, up to `max_bytes`."""
    from lemur.core.rank import rank
    from lemur.corpus.documents import read_source
    from lemur.corpus.sampling import Limit
    from lemur.corpus.sources import SOURCES

    for source in SOURCES:
        limit = Limit(params.max_bytes)
        for record in read_source(train, source):
            size = len(record["text"].encode())
            for _ in limit.push(rank(params.seed, record["id"]), record["id"], size, record["text"]):
                pass
        yield from limit.chosen()


def _imported(files: "tuple[FetchedFile, ...]", kind: str, folder: Path) -> "Imported":
    """The tokenizer in a fetched source's files."""
    from lemur.tokens.tokenizers.imported_tokenizer import from_gguf, from_json, from_sentencepiece

    by_name = {file.path.name: file.path for file in files}
    for file in files:
        if file.schema == "llama_tokenizer_json" or file.path.name == "tokenizer.json":
            return from_json(file.path, by_name.get("tokenizer_config.json"))
        if file.schema == "gguf":
            return from_gguf(file.path)
    for file in files:
        if file.schema == "sentencepiece" or file.path.name == "tokenizer.model":
            return from_sentencepiece(file.path)
    raise ValueError(
        f"{folder}: no tokenizer for tokenizer.kind {kind} among {sorted(by_name)}; a tokenizer.json, a SentencePiece "
        f"tokenizer.model or a GGUF file is needed: set fetch.{folder.name}.place to one that has it (docs/sources.md)"
    )
