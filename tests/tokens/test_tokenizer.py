import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.core.records import read_json
from lemur.tokens.tokenizer import Params, tokenizer
from lemur.tokens.tokenizers.tokenizer_folder import document_markers, open_folder
from tests.corpus.builders import corpus, document, fetched, files

PARAMS = {
    "kind": "train",
    "vocab_size": 360,
    "character_coverage": 0.999,
    "max_token_chars": 16,
    "max_bytes": 10**6,
    "seed": 0,
}
ROOT = Path(__file__).parents[2]


def documents():
    code = "def add(first, second):\n    return first + second + {}\n\n\n"
    prose = "It is a truth universally acknowledged, that number {} must be in want of a wife. "
    return [
        *(document("python", "".join(code.format(n * m) for m in range(9))) for n in range(9)),
        *(document("books", "".join(prose.format(n + m) for m in range(9)) + "é") for n in range(9)),
    ]


def build(folder, **changes):
    train = corpus(folder / "train", documents())
    llama = fetched(folder / "llama2_tokenizer", changes.pop("llama", {}))
    base = fetched(folder / "base_weights", changes.pop("base", {}))
    tokenizer(
        Params.model_validate({**PARAMS, **changes}),
        train,
        llama,
        base,
        tokenizer=folder / "tok",
        report=folder / "r.json",
    )
    return folder / "tok"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build(tmp_path_factory.mktemp("trained"))


def test_ids_have_llama_2s_layout(folder):
    model = open_folder(folder)
    assert [model.id_to_token(number) for number in (0, 1, 2, 3, 258)] == ["<unk>", "<s>", "</s>", "<0x00>", "<0xFF>"]
    assert model.get_vocab_size() == 360
    assert document_markers(folder, model) == (1, 2)
    assert sorted(model.get_added_tokens_decoder()) == [0, 1, 2]


@given(
    text=st.one_of(st.text(), st.text("▁ <>s/0x4A\n\t\r 12é\x00def"), st.binary().map(lambda b: b.decode("latin-1")))
)
def test_any_text_is_restored_and_encodes_without_control_tokens(folder, text):
    model = open_folder(folder)
    ids = model.encode(text, add_special_tokens=False).ids
    assert model.decode(ids, skip_special_tokens=False) == text
    assert not ids or min(ids) > 2


@pytest.mark.parametrize("text", ["<s>", "</s><unk>", "<0x41>", " <0x0A>", "\u2581a"])
def test_text_that_looks_like_tokens_stays_text(folder, text):
    model = open_folder(folder)
    ids = model.encode(text, add_special_tokens=False).ids
    assert model.decode(ids, skip_special_tokens=False) == text and len(ids) > 1


def test_truncation_and_padding_of_a_published_tokenizer_are_switched_off(folder, tmp_path):
    published = open_folder(folder)
    published.enable_truncation(2)
    published.enable_padding(length=4)
    published.save(str(tmp_path / "tokenizer.json"))
    assert len(open_folder(tmp_path).encode("1", add_special_tokens=False).ids) == 1
    assert len(open_folder(tmp_path).encode("1234567", add_special_tokens=False).ids) == 7


def test_digits_are_single_tokens_and_rare_characters_are_bytes(folder):
    model = open_folder(folder)
    assert model.encode("1234", add_special_tokens=False).tokens == ["1", "2", "3", "4"]
    assert model.encode("\u20ac", add_special_tokens=False).tokens == ["<0xE2>", "<0x82>", "<0xAC>"]


def test_transformers_loads_it(folder):
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    assert (loaded.bos_token_id, loaded.eos_token_id, loaded.unk_token_id, len(loaded)) == (1, 2, 0, 360)
    text = "  return first + second\n"
    ids = loaded(text)["input_ids"]
    assert ids[0] == 1 and loaded.decode(ids, skip_special_tokens=True) == text


def test_same_bytes_with_any_number_of_threads(folder, tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.tokens.test_tokenizer import build; build(Path(sys.argv[1]))"
    )
    for threads in ("1", "3"):
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "true"}
        environment |= {"PYTHONPATH": f"{ROOT}/src:{ROOT}", "PYTHONHASHSEED": threads}
        subprocess.run([sys.executable, "-c", script, tmp_path / threads], check=True, env=environment)
        assert files(tmp_path / threads / "tok") == files(folder)


def test_a_vocabulary_too_small_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"tokenizer\.vocab_size is 270"):
        build(tmp_path, vocab_size=270)


def test_llama2_is_imported_unchanged(folder, tmp_path):
    source = (folder / "tokenizer.json").read_bytes()
    imported = build(tmp_path, kind="llama2", llama={"l2.json": (source, "llama_tokenizer_json", "L2", {})})
    assert json.loads((imported / "tokenizer.json").read_bytes()) == json.loads(source)
    assert read_json(tmp_path / "r.json")["special"] == {"<unk>": 0, "<s>": 1, "</s>": 2}


@pytest.mark.parametrize("kind", ["llama2", "base_weights"])
def test_a_missing_source_is_named(tmp_path, kind):
    with pytest.raises(ValueError, match=r"fetch\..*\.place"):
        build(tmp_path, kind=kind)


def test_base_weights_with_a_tokenizer_config(folder, tmp_path):
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "unk_token": None, "model_max_length": 4096}
    schema = "safetensors_folder"
    base = {
        "tokenizer.json": ((folder / "tokenizer.json").read_bytes(), schema, "L2", {}),
        "tokenizer_config.json": (json.dumps(config).encode(), schema, "L2", {}),
    }
    assert (
        read_json(build(tmp_path, kind="base_weights", base=base) / "tokenizer_config.json")["model_max_length"] == 4096
    )
    config["bos_token"] = "<|nowhere|>"
    base["tokenizer_config.json"] = (json.dumps(config).encode(), schema, "L2", {})
    with pytest.raises(ValueError, match="nowhere"):
        build(tmp_path / "2", kind="base_weights", base=base)


def test_a_gguf_file_like_smollm2s_is_imported(tmp_path):
    """A GGUF file with SmolLM2's layout: control tokens at 0 to 2, byte-level pieces, ChatML as BOS and EOS."""
    import gguf
    from tokenizers import pre_tokenizers

    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    pieces = [*control, *sorted(pre_tokenizers.ByteLevel.alphabet()), "in", "\u0120a"]
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_context_length(8192)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(pieces)
    writer.add_token_types([3] * 3 + [1] * (len(pieces) - 3))
    writer.add_token_merges(["i n", "\u0120 a"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    base = {"m.gguf": ((tmp_path / "m.gguf").read_bytes(), "gguf", "Apache-2.0", {})}
    imported = build(tmp_path / "b", kind="base_weights", base=base)
    model = open_folder(imported)
    assert model.encode("in a 12", add_special_tokens=False).tokens == ["in", "\u0120a", "\u0120", "1", "2"]
    config = read_json(imported / "tokenizer_config.json")
    assert (config["bos_token"], config["eos_token"], config["model_max_length"]) == (
        "<|im_start|>",
        "<|im_end|>",
        8192,
    )
    # <|endoftext|> separates documents, as in SmolLM2's pre-training; ChatML's turns do not.
    assert document_markers(imported, model) == (None, 0)
