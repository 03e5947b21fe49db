"""A second Llama in NumPy float64, with plain loops over heads, to check the JAX one against."""

import numpy as np

from lemur.model.config import LlamaConfig

Tensors = dict[str, np.ndarray]


def small_config(**changes: object) -> LlamaConfig:
    values = {
        "vocab_size": 61,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 64,
    }
    return LlamaConfig(**{**values, **changes})  # type: ignore[arg-type]


def random_tensors(config: LlamaConfig, seed: int = 0) -> Tensors:
    """Tensors under Hugging Face's names, large enough that every part of the model matters."""
    rng = np.random.default_rng(seed)
    hidden, mlp = config.hidden_size, config.intermediate_size
    heads, kv = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
    shapes = {"model.embed_tokens.weight": (config.vocab_size, hidden), "model.norm.weight": (hidden,)}
    if not config.tie_word_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, hidden)
    for layer in range(config.num_hidden_layers):
        for name, shape in {
            "input_layernorm": (hidden,),
            "self_attn.q_proj": (heads, hidden),
            "self_attn.k_proj": (kv, hidden),
            "self_attn.v_proj": (kv, hidden),
            "self_attn.o_proj": (hidden, heads),
            "post_attention_layernorm": (hidden,),
            "mlp.gate_proj": (mlp, hidden),
            "mlp.up_proj": (mlp, hidden),
            "mlp.down_proj": (hidden, mlp),
        }.items():
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    return {
        name: (rng.normal(1.0 if len(shape) == 1 else 0.0, 0.3, shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


def frequencies(config: LlamaConfig) -> list[float]:
    values = []
    for pair in range(config.head_dim // 2):
        frequency = config.rope_theta ** (-2 * pair / config.head_dim)
        scaling = config.rope_scaling
        if scaling is not None and scaling.rope_type == "linear":
            frequency /= scaling.factor
        elif scaling is not None:
            turns = scaling.original_max_position_embeddings * frequency / (2 * np.pi)
            if turns < scaling.low_freq_factor:
                frequency /= scaling.factor
            elif turns < scaling.high_freq_factor:
                low, high = scaling.low_freq_factor, scaling.high_freq_factor
                kept = (turns - low) / (high - low)
                frequency = kept * frequency + (1 - kept) * frequency / scaling.factor
        values.append(frequency)
    return values


def logits(config: LlamaConfig, weights: Tensors, tokens: np.ndarray) -> np.ndarray:
    """float64 [length, vocabulary] for one sequence of tokens [length]."""
    weights = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
    length, group = len(tokens), config.num_attention_heads // config.num_key_value_heads

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + config.rms_norm_eps) * weights[name]

    def rotated(x: np.ndarray) -> np.ndarray:
        out = x.copy()
        half = config.head_dim // 2
        for position in range(length):
            for pair, frequency in enumerate(frequencies(config)):
                a, b, angle = x[position, pair], x[position, pair + half], position * frequency
                out[position, pair] = a * np.cos(angle) - b * np.sin(angle)
                out[position, pair + half] = a * np.sin(angle) + b * np.cos(angle)
        return out

    x = weights["model.embed_tokens.weight"][tokens]
    for layer in range(config.num_hidden_layers):
        prefix = f"model.layers.{layer}."
        normed = norm(x, prefix + "input_layernorm.weight")
        query, key, value = (normed @ weights[f"{prefix}self_attn.{part}_proj.weight"].T for part in "qkv")
        outputs = []
        for head in range(config.num_attention_heads):
            own = slice(head * config.head_dim, (head + 1) * config.head_dim)
            shared = slice(head // group * config.head_dim, (head // group + 1) * config.head_dim)
            scores = rotated(query[:, own]) @ rotated(key[:, shared]).T / np.sqrt(config.head_dim)
            scores[np.triu_indices(length, 1)] = -np.inf
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            outputs.append(shares / shares.sum(-1, keepdims=True) @ value[:, shared])
        x = x + np.concatenate(outputs, -1) @ weights[prefix + "self_attn.o_proj.weight"].T
        normed = norm(x, prefix + "post_attention_layernorm.weight")
        gate = normed @ weights[prefix + "mlp.gate_proj.weight"].T
        up = normed @ weights[prefix + "mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[prefix + "mlp.down_proj.weight"].T
    head_name = "model.embed_tokens.weight" if config.tie_word_embeddings else "lm_head.weight"
    return norm(x, "model.norm.weight") @ weights[head_name].T
