import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.core.records import Record, write_json, write_jsonl
from lemur.inference.replay import ReplayModel
from lemur.inference.text import TextCodec, first_stop
from lemur.inference.token_model import context_length


@pytest.fixture(scope="module")
def codec(tokenizer_folder: Path) -> TextCodec:
    return TextCodec(tokenizer_folder, bos=True)


def test_an_answer_keeps_its_first_space(codec: TextCodec) -> None:
    prompt = codec.encode_prompt("def add(a, b):")
    assert codec.decode_answer(prompt, codec.encode("\n    return a + b")) == "\n    return a + b"


@given(st.text(max_size=40), st.text(min_size=1, max_size=20))
def test_pairs_contain_every_token_of_the_whole(tokenizer_folder: Path, context: str, continuation: str) -> None:
    codec = TextCodec(tokenizer_folder, bos=False)
    before, after = codec.encode_pair(context, continuation)
    assert before + after == codec.encode(context + continuation)


def test_white_space_at_the_end_of_a_context_moves_to_the_continuation(codec: TextCodec) -> None:
    assert codec.encode_pair("Answer: ", "A") == codec.encode_pair("Answer:", " A")


def test_control_tokens_are_special_in_prompts_and_plain_text_in_documents(codec: TextCodec) -> None:
    assert codec.encode("<s>") == [codec.bos_id]
    assert codec.bos_id not in codec.encode_document("a <s> b")
    assert codec.encode_document("a b") == codec.encode("a b")


def test_the_beginning_of_text_token_is_optional(tokenizer_folder: Path, codec: TextCodec) -> None:
    assert codec.encode_prompt("x") == [1, *TextCodec(tokenizer_folder, bos=False).encode_prompt("x")]


def test_chat_prompts_end_where_the_assistant_starts(codec: TextCodec) -> None:
    prompt = codec.chat_prompt([{"role": "user", "content": "Hi"}], "Answer:")
    assert prompt == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nAnswer:"
    assert codec.eos_ids == {2, 4}


def test_a_template_with_a_byte_order_mark(tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tokenizer_folder, folder)
    config = (folder / "tokenizer_config.json").read_bytes()
    (folder / "tokenizer_config.json").write_bytes(b"\xef\xbb\xbf" + config)
    (folder / "chat_template.jinja").write_bytes(b"\xef\xbb\xbf{{ messages[0].content }}")
    assert TextCodec(folder, bos=True).chat_prompt([{"role": "user", "content": "Hi"}], "") == "Hi"


def test_a_missing_template_or_tokenizer_is_reported(tokenizer_folder: Path, tmp_path: Path) -> None:
    shutil.copy(tokenizer_folder / "tokenizer.json", tmp_path)
    plain = TextCodec(tmp_path, bos=True)
    with pytest.raises(ValueError, match="no chat template"):
        plain.chat_prompt([], "")
    with pytest.raises(ValueError, match="bos_token"):
        plain.encode_prompt("x")
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):
        TextCodec(tmp_path / "nothing", bos=True)


def test_the_earliest_stop_wins() -> None:
    assert first_stop("a\nb\n\nc", ["\n\n", "\n"]) == 1
    assert first_stop("abc", ["x"]) is None


def test_recorded_outputs_are_replayed_and_other_prompts_rejected(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    rows = [
        {"id": "one", "prompt": "p", "output": "o", "finish": "length"},
        {"id": "two", "prompt": "x: and q?", "output": ""},
        {"id": "three", "prompt": "q", "logprobs": {" A": -1.0}},
    ]
    write_jsonl(path, rows)
    model = ReplayModel.from_samples(path)
    (answer,) = model.generate(["p"], max_new_tokens=1, stop=[])
    assert (answer.text, answer.finish) == ("o", "length")
    assert model.loglikelihood([("q", " A")])[0].logprob == -1.0
    with pytest.raises(ValueError, match=r"samples\.jsonl:1: one: 1 answers are recorded and more"):
        model.generate(["p"], max_new_tokens=1, stop=[])
    with pytest.raises(ValueError, match=r"1 of 2 prompts; the first is number 2, 'z: and q\?'.*jsonl:2: two\."):
        model.generate(["p", "z: and q?"], max_new_tokens=1, stop=[])
    with pytest.raises(ValueError, match=r"jsonl:3: three: no score of ' B'"):
        model.loglikelihood([("q", " A"), ("q", " B")])
    write_jsonl(path, [{"prompt": "p"}])
    with pytest.raises(ValueError, match=r"samples\.jsonl:1"):
        ReplayModel.from_samples(path)
    with pytest.raises(FileNotFoundError, match="LEMUR_REPLAY"):
        ReplayModel.from_samples(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("config", "limit", "length"),
    [
        ({"max_position_embeddings": 64}, None, 64),
        ({"max_position_embeddings": 64}, 16, 16),
        ({"n_positions": 32}, 99, 32),
        ({"text_config": {"max_position_embeddings": 8}}, None, 8),
        ({}, 7, 7),
    ],
)
def test_the_context_length_under_each_of_its_names(
    config: Record, limit: int | None, length: int, tokenizer_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tokenizer_folder, tmp_path / "model")
    write_json(tmp_path / "model/config.json", config)
    assert context_length(TextCodec(tmp_path / "model", bos=True), limit) == length


def test_a_context_length_that_nobody_states(codec: TextCodec) -> None:
    with pytest.raises(ValueError, match=r"config\.json: none of max_position_embeddings, .* is there; set `context`"):
        context_length(codec, None)
