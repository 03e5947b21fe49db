"""The shape of a Llama model, read from and written to the `config.json` of a `LlamaForCausalLM` folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RopeScaling:
    """Scaling of the rotary frequencies: `linear` (position interpolation) or `llama3` (by wavelength)."""

    rope_type: str
    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192


@dataclass(frozen=True)
class LlamaConfig:
    """Hyperparameters, named as in `transformers.LlamaConfig`. Hashable, so static under `jit`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    rope_scaling: RopeScaling | None = None
    tie_word_embeddings: bool = False
    initializer_range: float = 0.02
    bos_token_id: int = 1
    eos_token_id: int = 2
    pad_token_id: int | None = None

    def __post_init__(self) -> None:
        check_heads(self.num_attention_heads, self.num_key_value_heads)
        if self.head_dim % 2:
            raise ValueError(f"head_dim is {self.head_dim}; rotary embeddings rotate pairs, so it must be even")


def check_heads(query: int, key_value: int) -> None:
    """Raises `ValueError` if the query heads cannot share the key and value heads equally."""
    if query % key_value:
        raise ValueError(
            f"num_attention_heads ({query}) is not a multiple of num_key_value_heads ({key_value}); each key/value "
            "head serves an equal number of query heads"
        )


def json_object(path: Path, key: str | None = None) -> dict[str, Any]:
    """The JSON object in a file, or the one under `key` in it. Raises `ValueError` or `FileNotFoundError` that names
    the file."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing; is {path.parent} a model folder? Fetch it again") from None
    except ValueError as error:
        raise ValueError(f"{path}: not readable as JSON ({error}); it is probably truncated: fetch it again") from None
    content = content.get(key) if key is not None and isinstance(content, dict) else content
    if not isinstance(content, dict):
        raise ValueError(f"{path}: no JSON object{f' under {key!r}' if key else ''}; fetch it again")
    return content


def read_config(path: Path) -> LlamaConfig:
    """Read `config.json`. Raises `ValueError` that names the file and the key this model does not implement."""
    content = json_object(path)
    if content.get("model_type") != "llama":
        raise ValueError(f"{path}: model_type is {content.get('model_type')!r}; only 'llama' can be loaded")
    for key, allowed in (("hidden_act", "silu"), ("attention_bias", False), ("mlp_bias", False)):
        if content.get(key, allowed) != allowed:
            raise ValueError(f"{path}: {key} is {content[key]!r}; only {allowed!r} is implemented")
    heads = content.get("num_attention_heads")
    names = LlamaConfig.__dataclass_fields__
    values = {name: content[name] for name in names if name in content and name != "rope_scaling"}
    # transformers 5 keeps theta and scaling together in `rope_parameters`; version 4 has two keys.
    rope = content.get("rope_parameters") or content.get("rope_scaling") or {}
    values["rope_theta"] = float(rope.get("rope_theta", content.get("rope_theta", 10000.0)))
    values["rope_scaling"] = _rope_scaling(path, rope)
    values["num_key_value_heads"] = content.get("num_key_value_heads") or heads
    if isinstance(eos := values.get("eos_token_id"), list):
        values["eos_token_id"] = eos[0]
    try:
        values["head_dim"] = content.get("head_dim") or content["hidden_size"] // content["num_attention_heads"]
        return LlamaConfig(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: a key is missing ({error}); every LlamaForCausalLM config.json has it") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _rope_scaling(path: Path, rope: dict[str, Any]) -> RopeScaling | None:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind not in ("linear", "llama3"):
        raise ValueError(f"{path}: rope_type is {kind!r}; 'default', 'linear' and 'llama3' are implemented")
    return RopeScaling(
        rope_type=kind, **{k: rope[k] for k in RopeScaling.__dataclass_fields__ if k in rope and k != "rope_type"}
    )


def config_json(config: LlamaConfig, dtype: str) -> dict[str, Any]:
    """The content of `config.json`, readable by `transformers` 4 and 5."""
    values = {name: getattr(config, name) for name in config.__dataclass_fields__}
    scaling = config.rope_scaling
    if scaling is None:
        values["rope_scaling"] = None
    else:
        values["rope_scaling"] = {"rope_type": scaling.rope_type, "factor": scaling.factor}
        if scaling.rope_type == "llama3":
            values["rope_scaling"] = {name: getattr(scaling, name) for name in scaling.__dataclass_fields__}
    return {
        **values,
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "pretraining_tp": 1,
        "dtype": dtype,
        "torch_dtype": dtype,  # its name in transformers 4
        "use_cache": True,
    }
