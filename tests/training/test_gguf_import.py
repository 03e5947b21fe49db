"""GGUF files in llama.cpp's layout, written here, compared with the same weights in Hugging Face's layout."""

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize, quantize

from lemur.model.weights import tensors
from lemur.training.gguf_import import import_gguf
from tests.model.reference import logits, random_tensors, small_config

WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def permute(weight, heads):
    """As in llama.cpp's converter: rows (i, i + half) of each head become neighbours."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def write(path, config, weights, *, kind=None, architecture="llama", leave_out=()):
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    for name, tensor in weights.items():
        stem = name.removesuffix(".weight")
        if stem in WHOLE:
            gguf_name = WHOLE[stem]
        else:
            _, _, layer, part = stem.split(".", 3)
            gguf_name = f"blk.{layer}.{LAYER[part]}"
            if part.endswith(("q_proj", "k_proj")):
                heads = config.num_attention_heads if "q_proj" in part else config.num_key_value_heads
                tensor = permute(tensor, heads)
        if gguf_name in leave_out:
            continue
        if kind is not None and tensor.ndim == 2:
            writer.add_tensor(f"{gguf_name}.weight", quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(f"{gguf_name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("tied", [True, False])
def test_an_unquantised_file_gives_the_same_tensors_and_logits(tmp_path, tied):
    config = small_config(tie_word_embeddings=tied)
    weights = random_tensors(config)
    write(tmp_path / "m.gguf", config, weights)
    read, model = import_gguf(tmp_path / "m.gguf")
    assert read == config
    assert {name: tensor.tobytes() for name, tensor in tensors(model, "float32")} == {
        name: tensor.tobytes() for name, tensor in weights.items()
    }
    tokens = np.arange(20) * 3
    np.testing.assert_allclose(np.asarray(model(tokens[None]))[0], logits(config, weights, tokens), atol=2e-4)


def test_q4_1_is_dequantised(tmp_path):
    config = small_config(hidden_size=64, intermediate_size=96, head_dim=16, tie_word_embeddings=True)
    weights = random_tensors(config)
    kind = gguf.GGMLQuantizationType.Q4_1
    write(tmp_path / "m.gguf", config, weights, kind=kind)
    _, model = import_gguf(tmp_path / "m.gguf")
    loaded = dict(tensors(model, "float32"))
    name = "model.layers.1.mlp.down_proj.weight"
    assert np.array_equal(loaded[name], dequantize(quantize(weights[name], kind), kind))
    query = "model.layers.0.self_attn.q_proj.weight"
    assert 0 < np.abs(loaded[query] - weights[query]).max() < 0.15


def test_errors_name_the_key_and_the_tensor(tmp_path):
    config = small_config(tie_word_embeddings=True)
    weights = random_tensors(config)
    write(tmp_path / "a.gguf", config, weights, architecture="gpt2")
    with pytest.raises(ValueError, match=r"a\.gguf: general\.architecture is 'gpt2'"):
        import_gguf(tmp_path / "a.gguf")
    write(tmp_path / "b.gguf", config, weights, leave_out=("blk.2.ffn_up",))
    with pytest.raises(ValueError, match=r"b\.gguf: tensor blk\.2\.ffn_up\.weight is missing"):
        import_gguf(tmp_path / "b.gguf")
    (tmp_path / "c.gguf").write_bytes((tmp_path / "b.gguf").read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"c\.gguf: not readable as GGUF"):
        import_gguf(tmp_path / "c.gguf")
