"""Imports GGUF files of Llama's architecture, dequantised with the `gguf` package and NumPy (no torch)."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.quants import dequantize
from jax.sharding import Mesh

from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama
from lemur.model.weights import build

_WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_LAYER = {
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


def import_gguf(
    path: Path, *, dtype: str = "float32", param_dtype: str = "float32", remat: str = "none", mesh: Mesh | None = None
) -> tuple[LlamaConfig, Llama]:
    """Read a GGUF file, tensor by tensor. Raises `ValueError` that names the key or tensor at fault."""
    try:
        reader = gguf.GGUFReader(path)
    except ValueError as error:
        raise ValueError(f"{path}: not readable as GGUF ({error}); it is probably truncated: fetch it again") from None
    by_name = {tensor.name: tensor for tensor in reader.tensors}
    config = _config(path, reader, tied="output.weight" not in by_name)

    def read(name: str) -> np.ndarray:
        gguf_name = _WHOLE.get(name) or _layer_name(name)
        if gguf_name not in by_name:
            raise ValueError(f"{path}: tensor {gguf_name} is missing; every Llama model has it")
        tensor = by_name[gguf_name]
        values = dequantize(tensor.data, tensor.tensor_type)
        # GGUF lists the fastest-varying dimension first.
        values = values.reshape(tuple(int(size) for size in reversed(tensor.shape)))
        if name.endswith("q_proj.weight"):
            return unpermute(values, config.num_attention_heads)
        if name.endswith("k_proj.weight"):
            return unpermute(values, config.num_key_value_heads)
        return values

    return config, build(config, read, dtype=dtype, param_dtype=param_dtype, remat=remat, mesh=mesh)


def unpermute(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder the rows of a query or key projection [heads * head_dim, hidden] from llama.cpp's rotary layout, which
    rotates neighbours (2i, 2i + 1), to Hugging Face's, which rotates (i, i + head_dim / 2)."""
    pairs = weight.shape[0] // heads // 2
    return weight.reshape(heads, pairs, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def _layer_name(name: str) -> str:
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{_LAYER[rest.removesuffix('.weight')]}.weight"


def _config(path: Path, reader: gguf.GGUFReader, *, tied: bool) -> LlamaConfig:
    def field(key: str, default: Any = None) -> Any:
        value = reader.get_field(key)
        if value is None and default is None:
            raise ValueError(f"{path}: key {key} is missing; every Llama GGUF file has it")
        return default if value is None else value.contents()

    architecture = field("general.architecture")
    if architecture != "llama":
        raise ValueError(f"{path}: general.architecture is {architecture!r}; only 'llama' can be imported")
    if field("llama.rope.scaling.type", "none") != "none" or any(t.name == "rope_freqs.weight" for t in reader.tensors):
        raise ValueError(f"{path}: scaled rotary embeddings in GGUF are not implemented; use the safetensors folder")
    heads = field("llama.attention.head_count")
    hidden = field("llama.embedding_length")
    vocab = next(int(tensor.shape[-1]) for tensor in reader.tensors if tensor.name == "token_embd.weight")
    return LlamaConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=field("llama.feed_forward_length"),
        num_hidden_layers=field("llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=field("llama.attention.head_count_kv", heads),
        head_dim=field("llama.attention.key_length", hidden // heads),
        max_position_embeddings=field("llama.context_length"),
        # Stored as float32, where 1e-05 reads as 9.999999747378752e-06.
        rms_norm_eps=float(f"{field('llama.attention.layer_norm_rms_epsilon'):.6g}"),
        rope_theta=float(f"{field('llama.rope.freq_base', 10000.0):.6g}"),
        tie_word_embeddings=tied,
        bos_token_id=field("tokenizer.ggml.bos_token_id", 1),
        eos_token_id=field("tokenizer.ggml.eos_token_id", 2),
    )
