import io
import json
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2 as protobuf
from tokenizers import Tokenizer

from lemur.tokens.tokenizers.imported_tokenizer import from_sentencepiece
from tests.tokens.test_tokenizer import build

TEXTS = [f"def add_{n}(first, second):\n    return first + {n * 37}  # the number {n}\n" for n in range(400)]
CASES = st.one_of(st.text(), st.text("▁ <>s/0x4A\n\t\r 12é\x00defirst"), st.binary().map(lambda b: b.decode("latin-1")))


def trained(**changes):
    """A model trained with Llama-2's options."""
    file = io.BytesIO()
    options = {
        "model_type": "bpe",
        "vocab_size": 360,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "byte_fallback": True,
        "split_digits": True,
        "allow_whitespace_only_pieces": True,
        "minloglevel": 2,
        **changes,
    }
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS), model_writer=file, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    path = tmp_path_factory.mktemp("sp") / "tokenizer.model"
    path.write_bytes(trained())
    return from_sentencepiece(path).tokenizer, sentencepiece.SentencePieceProcessor(model_file=str(path))


@settings(max_examples=300, deadline=None)
@given(text=CASES)
def test_ids_match_the_library_for_any_text(pair, text):
    ours, theirs = pair
    ours.encode_special_tokens = True
    assert ours.encode(text, add_special_tokens=False).ids == theirs.encode(text)


@settings(deadline=None)
@given(data=st.binary(max_size=60))
def test_decoding_restores_any_bytes(pair, data):
    """Except U+2581, which SentencePiece reads as a space."""
    ours, _ = pair
    text = data.decode("utf-8", errors="replace").replace("\u2581", "")
    ours.encode_special_tokens = True
    assert ours.decode(ours.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_layout_and_digits(pair):
    ours, _ = pair
    assert [ours.id_to_token(number) for number in (0, 1, 2, 3, 258)] == ["<unk>", "<s>", "</s>", "<0x00>", "<0xFF>"]
    assert ours.encode(" 1234", add_special_tokens=False).tokens[-4:] == ["1", "2", "3", "4"]
    assert ours.encode("a").ids[0] == 1


def test_llama_2s_pieces_as_a_model_match_its_tokenizer_json(tmp_path):
    """Llama-2's 32,000 pieces, written as a .model, give the same ids as the package's tokenizer.json."""
    import wordllama

    path = Path(wordllama.__file__).parent / "tokenizers/l2_supercat_tokenizer_config.json"
    vocabulary = json.loads(path.read_bytes())["model"]["vocab"]
    model = protobuf.ModelProto()
    model.trainer_spec.model_type = 2
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.remove_extra_whitespaces = False
    for piece, number in sorted(vocabulary.items(), key=lambda item: item[1]):
        kind = 2 if number == 0 else 3 if number < 3 else 6 if number < 259 else 1
        # Runs of spaces were added after training, with a score below all others.
        score = (259.0 - number if piece.strip("▁") else -1e9) if kind == 1 else 0.0
        model.pieces.add(piece=piece, score=score, type=kind)
    (tmp_path / "tokenizer.model").write_bytes(model.SerializeToString())
    ours, theirs = from_sentencepiece(tmp_path / "tokenizer.model").tokenizer, Tokenizer.from_file(str(path))
    theirs.no_truncation()
    theirs.no_padding()
    assert json.loads(ours.to_str()) == json.loads(theirs.to_str())
    for text in (
        *TEXTS[::40],
        Path(__file__).read_text(encoding="utf-8"),
        "Grüße, 你好, naïve café — 12345\t\x00 ▁<s>",
        "",
    ):
        assert ours.encode(text).ids == theirs.encode(text).ids
    assert ours.encode("Hello world").ids == [1, 15043, 3186]  # published for Llama 2


def test_the_stage_imports_it(tmp_path):
    source = {"tokenizer.model": (trained(), "sentencepiece", "L2", {})}
    folder = build(tmp_path, kind="llama2", llama=source)
    report = json.loads((tmp_path / "r.json").read_bytes())
    assert report["vocab_size"] == 360 and report["special"] == {"<unk>": 0, "<s>": 1, "</s>": 2}
    assert (folder / "tokenizer_config.json").is_file()


def test_chat_tokens_get_the_ids_after_the_pieces(tmp_path):
    """As in Lemur-Chat, where they follow Llama-2's pieces from 32000 on."""
    import wordllama

    from lemur.tokens.chatml import CHAT_TOKENS, add_chat_tokens

    path = Path(wordllama.__file__).parent / "tokenizers/l2_supercat_tokenizer_config.json"
    llama = {"l2.json": (path.read_bytes(), "llama_tokenizer_json", "L2", {})}
    add_chat_tokens(build(tmp_path / "real", kind="llama2", llama=llama), tmp_path / "lemur_chat")
    chat = Tokenizer.from_file(str(tmp_path / "lemur_chat/tokenizer.json"))
    assert [chat.token_to_id(token) for token in CHAT_TOKENS] == [32000, 32001, 32002, 32003, 32004]
    assert CHAT_TOKENS[1:3] == ("<|im_start|>", "<|im_end|>") and chat.get_vocab_size() == 32005
    source = {"tokenizer.model": (trained(), "sentencepiece", "L2", {})}
    add_chat_tokens(build(tmp_path, kind="llama2", llama=source), tmp_path / "chat")
    chat = Tokenizer.from_file(str(tmp_path / "chat/tokenizer.json"))
    assert [chat.token_to_id(token) for token in CHAT_TOKENS] == [360, 361, 362, 363, 364]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no model", "no SentencePiece model"),
        (b"", "without pieces"),
        ({"model_type": "unigram", "vocab_size": 294}, "kind UNIGRAM; BPE is allowed"),
        ({"normalization_rule_name": "nmt_nfkc"}, "changes the text"),
        ({"bos_id": -1}, "all are needed"),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(data if isinstance(data, bytes) else trained(**data))
    with pytest.raises(ValueError, match=message):
        from_sentencepiece(path)
