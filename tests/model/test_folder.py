"""Model folders: round trips byte for byte, several files, and errors that name the tensor."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lemur.core.records import read_json, write_json
from lemur.model import folder
from lemur.model.weights import build, tensor_shapes
from lemur.training.resize import resize_vocabulary
from tests.model.reference import random_tensors, small_config


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "tokenizer"
    path.mkdir()
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3}
    content = {"model": {"vocab": vocabulary}, "added_tokens": [{"id": 4, "content": "<|im_end|>"}]}
    (path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    (path / "tokenizer_config.json").write_text(
        '{"bos_token": "<s>", "eos_token": {"content": "</s>"}}', encoding="utf-8"
    )
    (path / "notes.txt").write_text("not a tokenizer file", encoding="utf-8")
    return path


def saved(path, tokenizer, dtype="float32", shard_bytes=1 << 30, **changes):
    config = small_config(**changes)
    weights = random_tensors(config)
    folder.save(path, build(config, weights.__getitem__), tokenizer, dtype=dtype, shard_bytes=shard_bytes)
    return config, weights


def contents(path):
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


@pytest.mark.parametrize("tied", [True, False])
def test_saving_a_loaded_model_gives_the_same_bytes(tmp_path, tokenizer, tied):
    config, weights = saved(tmp_path / "a", tokenizer, tie_word_embeddings=tied)
    read, model = folder.load(tmp_path / "a")
    folder.save(tmp_path / "b", model, tmp_path / "a", dtype="float32")
    assert read == config
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    stored = load_file(tmp_path / "a" / "model.safetensors")
    assert sorted(stored) == sorted(weights) == list(tensor_shapes(config))
    assert all(np.array_equal(stored[name], weights[name]) for name in weights)
    assert "notes.txt" not in contents(tmp_path / "a")
    assert len({path.stat().st_mode for path in (tmp_path / "a").iterdir()}) == 1
    header = (tmp_path / "a" / "model.safetensors").read_bytes()
    names = [name for name in json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")]) if name[0] != "_"]
    assert names == sorted(names)


def test_several_files_with_an_index_hold_the_same_model(tmp_path, tokenizer):
    _, weights = saved(tmp_path / "a", tokenizer, shard_bytes=20_000)
    index = json.loads((tmp_path / "a" / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert len(set(index["weight_map"].values())) > 2
    assert set(index["weight_map"]) == set(weights)
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in weights.values())
    folder.save(tmp_path / "b", folder.load(tmp_path / "a")[1], tokenizer, dtype="float32")
    saved(tmp_path / "c", tokenizer)
    assert contents(tmp_path / "b") == contents(tmp_path / "c")


def test_the_tokenizer_says_what_the_config_says(tmp_path, tokenizer):
    """What transformers and vLLM read from the tokenizer's files: where a prompt is cut and what ends an answer."""
    saved(tmp_path / "base", tokenizer)
    stated = read_json(tmp_path / "base/tokenizer_config.json")
    # The token is right already, so the object with its attributes stays.
    assert stated == {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "model_max_length": 64}
    write_json(tokenizer / "special_tokens_map.json", {"eos_token": "</s>", "unk_token": "<unk>"})
    saved(tmp_path / "chat", tokenizer, eos_token_id=4)
    assert read_json(tmp_path / "chat/tokenizer_config.json")["eos_token"] == "<|im_end|>"
    assert read_json(tmp_path / "chat/special_tokens_map.json") == {"eos_token": "<|im_end|>", "unk_token": "<unk>"}
    for name in ("config.json", "generation_config.json"):
        assert read_json(tmp_path / "chat" / name)["eos_token_id"] == 4
    assert read_json(tokenizer / "tokenizer_config.json")["eos_token"] == {"content": "</s>"}
    saved(tmp_path / "unknown", tokenizer, eos_token_id=50)  # the tokenizer has no such token
    assert read_json(tmp_path / "unknown/tokenizer_config.json")["eos_token"] == {"content": "</s>"}
    config = read_json(tmp_path / "chat/config.json")
    assert config["dtype"] == config["torch_dtype"] == "float32"


def test_bfloat16_is_written_rounded_and_read_back(tmp_path, tokenizer):
    saved(tmp_path / "a", tokenizer, dtype="bfloat16")
    assert json.loads((tmp_path / "a" / "config.json").read_text(encoding="utf-8"))["torch_dtype"] == "bfloat16"
    _, model = folder.load(tmp_path / "a")
    assert model.embedding[...].dtype == np.float32
    folder.save(tmp_path / "b", model, tokenizer, dtype="bfloat16")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_new_tokens_are_the_mean_of_the_others(tmp_path, tokenizer):
    for tied in (True, False):
        config, weights = small_config(tie_word_embeddings=tied), None
        weights = random_tensors(config)
        model = resize_vocabulary(build(config, weights.__getitem__), 64)
        folder.save(tmp_path / str(tied), model, tokenizer, dtype="float32")
        stored = load_file(tmp_path / str(tied) / "model.safetensors")
        for name in ("model.embed_tokens.weight", "lm_head.weight")[: 1 if tied else 2]:
            assert np.array_equal(stored[name][:61], weights[name])
            np.testing.assert_allclose(stored[name][61:], np.tile(weights[name].mean(0), (3, 1)), atol=1e-6)
        read, loaded = folder.load(tmp_path / str(tied))
        assert read.vocab_size == 64
        folder.save(tmp_path / f"{tied}_again", loaded, tmp_path / str(tied), dtype="float32")
        assert contents(tmp_path / f"{tied}_again") == contents(tmp_path / str(tied))
        assert model(np.array([[63]])).shape == (1, 1, 64)
    with pytest.raises(ValueError, match="the model has 64 tokens, the tokenizer 10"):
        resize_vocabulary(model, 10)


def change(path, edit):
    tensors = load_file(path / "model.safetensors")
    edit(tensors)
    save_file(tensors, path / "model.safetensors")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.pop("model.norm.weight"), r"tensor model\.norm\.weight is missing"),
        (
            lambda t: t.update({"model.layers.1.mlp.up_proj.weight": np.ones((48, 31), np.float32)}),
            r"tensor model\.layers\.1\.mlp\.up_proj\.weight has shape \(48, 31\); config\.json asks for \(48, 32\)",
        ),
        (
            lambda t: t.update({"model.norm.weight": np.ones(32, np.int8)}),
            r"tensor model\.norm\.weight holds int8; float32, .* dequantise the model first",
        ),
        (lambda t: t.update({"model.extra.weight": np.ones(1)}), r"tensors \['model\.extra\.weight'\] \(1 in all\)"),
    ],
)
def test_errors_name_the_tensor(tmp_path, tokenizer, edit, message):
    saved(tmp_path / "a", tokenizer)
    change(tmp_path / "a", edit)
    with pytest.raises(ValueError, match=message):
        folder.load(tmp_path / "a")


def test_a_truncated_file_and_a_missing_one_are_named(tmp_path, tokenizer):
    saved(tmp_path / "a", tokenizer)
    weights = tmp_path / "a" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"model\.safetensors: not readable as safetensors .*truncated"):
        folder.load(tmp_path / "a")
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"neither model\.safetensors nor"):
        folder.load(tmp_path / "a")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "vocab_size",
            70,
            r"tensor model\.embed_tokens\.weight has shape \(61, 32\); config\.json asks for \(70, 32\)",
        ),
        ("num_hidden_layers", 2, r"layers\.2\.input_layernorm.*\(9 in all\).*config\.json describes \(2 layers\)"),
        ("num_hidden_layers", 4, r"tensor model\.layers\.3\.input_layernorm\.weight is missing; config\.json asks"),
        ("num_key_value_heads", 4, r"layers\.0\.self_attn\.k_proj\.weight has shape \(16, 32\); .* for \(32, 32\)"),
        ("num_key_value_heads", 3, r"config\.json: num_attention_heads \(4\) is not a multiple of num_key_value_heads"),
    ],
)
def test_weights_of_another_config_are_refused(tmp_path, tokenizer, key, value, message):
    saved(tmp_path / "a", tokenizer)
    config = tmp_path / "a" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text(encoding="utf-8")), key: value}), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        folder.load(tmp_path / "a")


def damaged(path, content):
    path.write_bytes(path.read_bytes()[:100] if content is None else content)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, r"a/config\.json: not readable as JSON .*truncated: fetch it again"),
        ("model.safetensors.index.json", None, r"index\.json: not readable as JSON .*truncated: fetch it again"),
        ("model.safetensors.index.json", b"{}", r"index\.json: no JSON object under 'weight_map'"),
        ("model-00002-of-00006.safetensors", None, r"model-00002-of-00006\.safetensors: not readable .*truncated"),
        ("model-00002-of-00006.safetensors", b"", r"model-00002-of-00006\.safetensors: not readable .*truncated"),
    ],
)
def test_damaged_files_are_named(tmp_path, tokenizer, file, content, message):
    saved(tmp_path / "a", tokenizer, shard_bytes=20_000)
    damaged(tmp_path / "a" / file, content)
    with pytest.raises(ValueError, match=message):
        folder.load(tmp_path / "a")


def test_a_missing_and_a_swapped_shard_are_named(tmp_path, tokenizer):
    saved(tmp_path / "a", tokenizer, shard_bytes=20_000)
    first, second, *_ = sorted((tmp_path / "a").glob("model-*"))
    second.write_bytes(first.read_bytes())
    with pytest.raises(
        ValueError, match=r"00002-of-00006\.safetensors: .*holds tensor model\.layers\.0\.mlp\.down_proj"
    ):
        folder.load(tmp_path / "a")
    second.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"00002-of-00006\.safetensors is named by .* but missing; fetch it again"
    ):
        folder.load(tmp_path / "a")
    (tmp_path / "a" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"a/config\.json is missing; is .* a model folder"):
        folder.load(tmp_path / "a")


def test_tokens_of_a_tokenizer_folder(tokenizer):
    assert folder.tokenizer_size(tokenizer) == 5
    assert folder.special_ids(tokenizer) == (1, 2)
    config = {"bos_token": "<s>", "eos_token": None}
    (tokenizer / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer_config\.json: eos_token must name a token"):
        folder.special_ids(tokenizer)
    assert folder.token_id(tokenizer, "<|im_end|>") == 4
    with pytest.raises(ValueError, match="no token '<pad>'"):
        folder.token_id(tokenizer, "<pad>")
