"""Stage `encode_instructions`: the instruction mix as ChatML tokens with a loss mask, packed into shards."""

import logging
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.params import StageParams
from lemur.core.records import Record, batches, read_jsonl

PACKAGES = ("array-record", "tokenizers")
BATCH = 256
TABLE_1 = (
    "Tokens of this tokenizer, without ChatML markup, averaged over rounds (a round: one question and its answer). "
    "The prompt of a first round includes the system message. Counted before truncation."
)

log = logging.getLogger(__name__)


class Params(StageParams):
    sequence_length: int = Field(ge=16, description="tokens in a packed sequence, and in the longest conversation")
    too_long: Literal["truncate", "drop"] = Field(
        description="cut a longer conversation after the last round that fits, or drop it"
    )
    pack: bool = Field(description="put several conversations into one sequence")
    open_sequences: int = Field(ge=1, description="sequences open for filling; more pack denser and take more memory")
    records_per_shard: int = Field(ge=1, description="sequences in one shard file")


def encode_instructions(params: Params, instructions: Path, tokenizer: Path, *, shards: Path, report: Path) -> None:
    """Write token shards and, in the folder `tokenizer/` beside them, the tokenizer with the chat tokens and template.

    Every input token is either written or counted as dropped, with a reason.
    """
    from tqdm import tqdm

    from lemur.instructions.conversation import GROUPS
    from lemur.instructions.packing import Packer, Piece
    from lemur.tokens.chatml import ChatTokenizer, add_chat_tokens
    from lemur.tokens.shards import ShardWriter, token_fields

    add_chat_tokens(tokenizer, shards / "tokenizer")
    chat = ChatTokenizer(shards / "tokenizer")
    sources = sorted({*GROUPS, *(record["source"] for record in read_jsonl(instructions))})
    packer = Packer(params.sequence_length, params.open_sequences, pack=params.pack)
    account = _Account(params, Counts("encode_instructions"))
    with (
        ShardWriter(
            shards,
            sequence_length=params.sequence_length,
            vocab_size=chat.vocab_size,
            fields=token_fields(chat.vocab_size, params.sequence_length),
            sources=sources,
            records_per_shard=params.records_per_shard,
        ) as writer,
        tqdm(desc="encode_instructions", unit=" conversations") as progress,
    ):
        for batch in batches(read_jsonl(instructions), BATCH):
            usable = [record for record in batch if account.accepts(record, chat.control)]
            for record, encoded in zip(usable, chat.encode([r["messages"] for r in usable]), strict=True):
                length = account.length(record, encoded)
                if length:
                    piece = Piece(encoded.ids[:length], encoded.loss[:length], sources.index(record["source"]))
                    for sequence in packer.add(piece):
                        writer.write(sequence)
            progress.update(len(batch))
        for sequence in packer.finish():
            writer.write(sequence)
    manifest = account.write(report, shards, chat.vocab_size)
    log.info("encode_instructions: %d tokens in %d sequences", manifest["tokens"]["out"], manifest["sequences"])


class _Account:
    """Counts of conversations and tokens in, out and dropped, and the numbers of Table 1."""

    def __init__(self, params: Params, counts: Counts) -> None:
        self._params = params
        self._counts = counts
        self._tokens: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._table: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def accepts(self, record: Record, control: tuple[str, ...]) -> bool:
        """False for a conversation whose text contains a control token: it would be read as markup and end a turn."""
        self._counts.entered(record["source"])
        accepted = not any(token in message["content"] for token in control for message in record["messages"])
        if not accepted:
            self._counts.dropped(record["source"], "control_token_in_text")
        return accepted

    def length(self, record: Record, encoded: Any) -> int:
        """Number of the conversation's tokens to keep; 0 if it is dropped."""
        source, total = record["source"], len(encoded.ids)
        self._tokens["in"] += total
        row = self._table[source]
        for message, tokens in zip(record["messages"], encoded.contents, strict=True):
            row["completion_tokens" if message["role"] == "assistant" else "prompt_tokens"] += tokens
            row["rounds"] += message["role"] == "assistant"
        row["instances"] += 1
        kept = total if total <= self._params.sequence_length else self._cut(record, encoded)
        reason = "too_long" if kept == 0 else "truncated"
        self._dropped[reason] += total - kept
        if kept == 0:
            self._counts.dropped(source, reason)
            return 0
        row["truncated"] += kept < total
        self._tokens["out"] += kept
        self._tokens["learnt"] += int(encoded.loss[:kept].sum())
        self._counts.left(source)
        return kept

    def _cut(self, record: Record, encoded: Any) -> int:
        """Number of tokens up to the end of the last answer that fits; 0 if none fits or if `too_long` is drop."""
        if self._params.too_long == "drop":
            return 0
        ends = [
            end
            for message, end in zip(record["messages"], encoded.ends, strict=True)
            if message["role"] == "assistant" and end <= self._params.sequence_length
        ]
        return ends[-1] if ends else 0

    def write(self, report: Path, shards: Path, vocab_size: int) -> Record:
        from lemur.core.records import read_json

        manifest = read_json(shards / "manifest.json")
        tokens: Record = {
            "in": self._tokens["in"],
            "out": self._tokens["out"],
            "dropped": {reason: count for reason, count in sorted(self._dropped.items()) if count},
            "learnt": self._tokens["learnt"],
        }
        if tokens["in"] != tokens["out"] + sum(tokens["dropped"].values()):
            raise AssertionError(f"encode_instructions: tokens do not add up: {tokens}")
        if tokens["out"] != sum(manifest["tokens"].values()):
            raise AssertionError(f"encode_instructions: the shards hold {manifest['tokens']}, {tokens} went in")
        capacity = manifest["records"] * manifest["sequence_length"]
        extras: Record = {
            "tokens": tokens,
            "sequences": manifest["records"],
            "sequence_length": manifest["sequence_length"],
            "padding_share": round(manifest["padding"] / capacity, 6) if capacity else None,
            "vocab_size": vocab_size,
            "table_1": {
                "definition": TABLE_1,
                "sources": {name: _row(row) for name, row in sorted(self._table.items())},
            },
        }
        self._counts.write(report, **extras)
        return extras


def _row(row: Counter[str]) -> Record:
    return {
        "instances": row["instances"],
        "rounds": row["rounds"],
        "prompt_tokens": row["prompt_tokens"],
        "completion_tokens": row["completion_tokens"],
        "truncated": row["truncated"],
        "average_rounds": round(row["rounds"] / row["instances"], 4),
        "average_prompt_tokens": round(row["prompt_tokens"] / row["rounds"], 4),
        "average_completion_tokens": round(row["completion_tokens"] / row["rounds"], 4),
    }
