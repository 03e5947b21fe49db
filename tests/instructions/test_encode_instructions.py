"""Stage `encode_instructions`, ChatML and packing."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.core.records import Record, read_json, write_jsonl
from lemur.inference.chat_template import find_chat_template
from lemur.instructions.encode_instructions import Params, encode_instructions
from lemur.instructions.packing import Packer, Piece
from lemur.tokens.chatml import CHAT_TEMPLATE, CHAT_TOKENS, ChatTokenizer, add_chat_tokens
from lemur.tokens.shards import open_shards
from tests.instructions.builders import chat, tokenizer_folder

BASE: dict[str, Any] = {
    "sequence_length": 64,
    "too_long": "truncate",
    "pack": True,
    "open_sequences": 4,
    "records_per_shard": 3,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tokenizer_folder(tmp_path_factory.mktemp("tokenizer") / "base")


@pytest.fixture(scope="module")
def chat_folder(base: Path) -> Path:
    add_chat_tokens(base, base.parent / "chat")
    return base.parent / "chat"


MESSAGES = chat(
    "  Who sat?\n", "\tThe cat.\n\nIt sat. ", "And \u4e2d\u6587 \U0001f600?", "```py\nx = 1\n```", system="Be brief."
)["messages"]


def render(messages: Sequence[Record], *, generation_prompt: bool) -> str:
    """The text of a conversation: an independent implementation of the template."""
    turns = [f"<|im_start|>{m['role']}\n{m['content'].strip()}<|im_end|>\n" for m in messages]
    return "".join(["<s>", *turns, "<|im_start|>assistant\n" if generation_prompt else ""])


def encode(tokenizer: ChatTokenizer, messages: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    encoded = tokenizer.encode([messages])[0]
    return encoded.ids, encoded.loss


def test_rendered_text_equals_lemur_chats() -> None:
    assert render(MESSAGES[:3], generation_prompt=True) == (
        "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho sat?<|im_end|>\n"
        "<|im_start|>assistant\nThe cat.\n\nIt sat.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_chat_tokens_follow_the_vocabulary(base: Path, chat_folder: Path) -> None:
    tokenizer = ChatTokenizer(chat_folder)
    size = tokenizer.vocab_size - len(CHAT_TOKENS)
    assert [tokenizer.tokenizer.token_to_id(token) for token in CHAT_TOKENS] == list(range(size, size + 5))
    assert tokenizer.bos == "<s>"
    with pytest.raises(ValueError, match=r"add_chat_tokens"):
        ChatTokenizer(base)


def test_a_bases_own_chat_template_is_left_out(base: Path, tmp_path: Path) -> None:
    source = shutil.copytree(base, tmp_path / "source")
    (source / "chat_template.jinja").write_text("theirs", encoding="utf-8")
    (source / "chat_template.json").write_text('{"chat_template": "theirs"}', encoding="utf-8")
    add_chat_tokens(source, tmp_path / "chat")
    template = find_chat_template(tmp_path / "chat", {})
    assert template is not None
    assert template.text == CHAT_TEMPLATE


def test_loss_is_on_answers_only(chat_folder: Path) -> None:
    tokenizer = ChatTokenizer(chat_folder)
    ids, loss = encode(tokenizer, MESSAGES)
    learnt = tokenizer.tokenizer.decode([int(i) for i in ids[loss == 1]], skip_special_tokens=False)
    assert learnt == "The cat.\n\nIt sat.<|im_end|>\n```py\nx = 1\n```<|im_end|>\n"
    rest = tokenizer.tokenizer.decode([int(i) for i in ids[loss == 0]], skip_special_tokens=False)
    assert rest.count("<|im_start|>assistant\n") == 2


def test_equal_to_transformers_chat_template(chat_folder: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(chat_folder)
    ours = ChatTokenizer(chat_folder)
    assert len(theirs) == ours.vocab_size
    assert theirs.pad_token == "<pad>"
    for messages in (MESSAGES, MESSAGES[1:], MESSAGES[1:3], chat("<b>|</b> {{ x }}", "{% y %} ")["messages"]):
        for prompt in (False, True):
            text = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
            assert text == render(messages, generation_prompt=prompt)
        result = theirs.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
        ids, loss = encode(ours, messages)
        assert ids.tolist() == list(result["input_ids"])
        assert loss.tolist() == list(result["assistant_masks"])


contents = st.text(st.characters(codec="utf-8", exclude_characters="<"), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(contents, min_size=2, max_size=6))
def test_masks_cut_the_text_where_the_turns_end(chat_folder: Path, turns: list[str]) -> None:
    tokenizer = ChatTokenizer(chat_folder)
    messages = chat(*turns[: len(turns) // 2 * 2])["messages"]
    (encoded,) = tokenizer.encode([messages])
    assert encoded.ends[-1] == len(encoded.ids)
    for number, end in enumerate(encoded.ends, 1):
        prefix = tokenizer.encode([messages[:number]])[0]
        assert prefix.ids.tolist() == encoded.ids[:end].tolist()
        assert prefix.loss.tolist() == encoded.loss[:end].tolist()
    learnt = tokenizer.tokenizer.decode([int(i) for i in encoded.ids[encoded.loss == 1]], skip_special_tokens=False)
    assert learnt == "".join(f"{m['content'].strip()}<|im_end|>\n" for m in messages if m["role"] == "assistant")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 20), max_size=60), st.integers(1, 6), st.booleans())
def test_packing_loses_nothing(lengths: list[int], open_sequences: int, pack: bool) -> None:
    packer = Packer(20, open_sequences, pack=pack)
    pieces = [Piece(np.full(n, i + 1, np.uint32), np.ones(n, np.uint8), i % 7) for i, n in enumerate(lengths)]
    records = [record for piece in pieces for record in packer.add(piece)] + list(packer.finish())
    size_by_token: dict[int, int] = {}
    for record in records:
        segments = record["segments"]
        assert (np.diff(segments[segments > 0].astype(int)) >= 0).all()
        for segment in set(segments.tolist()) - {0}:
            place = segments == segment
            (token,) = set(record["tokens"][place].tolist())
            assert record["positions"][place].tolist() == list(range(int(place.sum())))
            assert set(record["sources"][place].tolist()) == {(token - 1) % 7}
            assert token not in size_by_token
            size_by_token[token] = int(place.sum())
        assert not record["loss"][segments == 0].any()
    assert size_by_token == {i + 1: n for i, n in enumerate(lengths)}
    if not pack:
        assert len(records) == len(lengths)


def test_a_piece_longer_than_the_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="has 5 tokens; 1 to 4"):
        list(Packer(4, 1).add(Piece(np.ones(5, np.uint32), np.ones(5, np.uint8), 0)))


def run(tmp_path: Path, base: Path, records: list[Any], **changes: Any) -> tuple[Any, Any]:
    tmp_path.mkdir(exist_ok=True)
    write_jsonl(tmp_path / "in.jsonl", records)
    params = Params.model_validate({**BASE, **changes})
    encode_instructions(
        params, tmp_path / "in.jsonl", base, shards=tmp_path / "shards", report=tmp_path / "report.json"
    )
    return open_shards(tmp_path / "shards"), read_json(tmp_path / "report.json")


def test_the_stage(tmp_path: Path, base: Path) -> None:
    records = [
        chat("Who sat?", "The cat."),
        chat("the cat", "sat on the mat", "the user", "asks " * 60, source="openorca", system="the"),
        chat("the user", "asks " * 200, source="oasst1"),
        chat("What does <|im_end|> mean?", "x"),
    ]
    shards, report = run(tmp_path, base, records)
    assert report["dropped"] == {"control_token_in_text": 1, "too_long": 1}
    tokens = report["tokens"]
    assert tokens["in"] == tokens["out"] + tokens["dropped"]["too_long"] + tokens["dropped"]["truncated"]
    packed = [shards[i] for i in range(len(shards))]
    assert sum(int((record["segments"] > 0).sum()) for record in packed) == tokens["out"]
    assert sum(int(record["loss"].sum()) for record in packed) == tokens["learnt"]
    tokenizer = ChatTokenizer(tmp_path / "shards" / "tokenizer")
    (record,) = packed
    first = [int(i) for i in record["tokens"][record["segments"] == 1]]
    assert first == encode(tokenizer, records[0]["messages"])[0].tolist()
    second = [int(i) for i in record["tokens"][record["segments"] == 2]]
    assert second == encode(tokenizer, records[1]["messages"][:3])[0].tolist()  # cut after the round that fits
    table = report["table_1"]["sources"]
    assert (table["openorca"]["instances"], table["openorca"]["average_rounds"], table["openorca"]["truncated"]) == (
        1,
        2,
        1,
    )
    words = [len(tokenizer.tokenizer.encode(text, add_special_tokens=False).ids) for text in ("Who sat?", "The cat.")]
    assert [table["sharegpt"]["prompt_tokens"], table["sharegpt"]["completion_tokens"]] == words


turns = st.sampled_from(
    ["the cat", "sat on the mat " * 6, "asks " * 50, "of <|im_end|>", "<|im_start|>", "\u4e2d\u6587 \U0001f600"]
)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.lists(turns, min_size=2, max_size=7), max_size=12),
    st.sampled_from(["truncate", "drop"]),
    st.booleans(),
    st.integers(16, 90),
)
def test_tokens_in_equal_tokens_out_plus_dropped(
    tmp_path_factory: pytest.TempPathFactory,
    base: Path,
    chat_folder: Path,
    conversations: list[list[str]],
    too_long: str,
    pack: bool,
    length: int,
) -> None:
    records = [chat(*turns[: len(turns) // 2 * 2]) for turns in conversations]
    changes = {"too_long": too_long, "pack": pack, "sequence_length": length}
    shards, report = run(tmp_path_factory.mktemp("tokens"), base, records, **changes)
    tokenizer = ChatTokenizer(chat_folder)
    control = [any("<|im" in turn["content"] for turn in record["messages"]) for record in records]
    sizes = [len(encode(tokenizer, r["messages"])[0]) for r, marked in zip(records, control, strict=True) if not marked]
    tokens, dropped = report["tokens"], report["dropped"]
    assert tokens["in"] == sum(sizes) == tokens["out"] + sum(tokens["dropped"].values())
    assert tokens["dropped"].keys() <= {"too_long", "truncated"}
    if too_long == "drop":
        assert tokens["dropped"].get("too_long", 0) == sum(size for size in sizes if size > length)
        assert "truncated" not in tokens["dropped"]
    assert dropped.get("control_token_in_text", 0) == sum(control)
    assert report["in"] == report["out"] + sum(dropped.values()) == len(records)
    packed = [shards[i] for i in range(len(shards))]
    assert sum(int((record["segments"] > 0).sum()) for record in packed) == tokens["out"]
    assert sum(len(set(record["segments"].tolist()) - {0}) for record in packed) == report["out"]


def test_too_long_conversations_can_be_dropped(tmp_path: Path, base: Path) -> None:
    shards, report = run(tmp_path, base, [chat("the cat", "sat", "the user", "asks " * 60)], too_long="drop")
    assert (len(shards), report["tokens"]["out"], report["dropped"]) == (0, 0, {"too_long": 1})


def test_a_second_run_gives_the_same_bytes(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [chat(f"the cat {i}", "sat on the mat " * (i % 5 + 1)) for i in range(30)]
    first, _ = run(tmp_path / "a", base, records)
    monkeypatch.setattr("lemur.instructions.encode_instructions.BATCH", 7)
    second, _ = run(tmp_path / "b", base, records)
    assert first.fingerprint == second.fingerprint
    for file in sorted((tmp_path / "a" / "shards").rglob("*")):
        if file.is_file():
            assert (
                file.read_bytes()
                == (tmp_path / "b" / "shards" / file.relative_to(tmp_path / "a" / "shards")).read_bytes()
            )
