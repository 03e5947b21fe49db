"""Model FLOPs and their share of the devices' peak (MFU), by MaxText's published formula.

    FLOPs per token = 6 * weights of matrix products + 6 * layers * heads * head_dim * length

The weights are those of every layer's projections and of the output layer, without the embedding lookup. The second
term is attention's two products, forward and backward, 12 * layers * heads * head_dim * length, halved because it is
causal (docs/reference/performance_metrics.md of AI-Hypercomputer/maxtext; PaLM, Appendix B, does not halve it). It
ignores recomputation by rematerialisation, and that packed documents do not attend to each other.
"""

import os

from lemur.model.config import LlamaConfig

# Dense bfloat16 FLOP/s of one JAX device, from the vendors' data sheets; a v4 device is a whole chip.
PEAK_FLOPS = {
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5": 459e12,
    "TPU v6 lite": 918e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H200": 989e12,
}


def matrix_weights(config: LlamaConfig) -> int:
    """Number of weights in matrix products."""
    heads = config.num_attention_heads * config.head_dim
    kv_heads = config.num_key_value_heads * config.head_dim
    layer = config.hidden_size * (2 * heads + 2 * kv_heads + 3 * config.intermediate_size)
    return config.num_hidden_layers * layer + config.hidden_size * config.vocab_size


def flops_per_token(config: LlamaConfig, length: int) -> int:
    """FLOPs per token of one training step on sequences of `length` tokens."""
    heads = config.num_attention_heads * config.head_dim
    return 6 * matrix_weights(config) + 6 * config.num_hidden_layers * heads * length


def peak_flops(device_kind: str) -> float | None:
    """FLOP/s of one device: `LEMUR_PEAK_FLOPS`, else from `PEAK_FLOPS`; None for other devices, such as any CPU."""
    override = os.environ.get("LEMUR_PEAK_FLOPS")
    try:
        return float(override) if override else PEAK_FLOPS.get(device_kind)
    except ValueError:
        raise SystemExit(f"LEMUR_PEAK_FLOPS is {override!r}; the FLOP/s of one device, a number, are allowed") from None
