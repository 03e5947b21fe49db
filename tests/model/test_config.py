"""Reading and writing config.json."""

import json

import pytest

from lemur.model.config import RopeScaling, config_json, read_config
from tests.model.reference import small_config

LLAMA3 = RopeScaling("llama3", 8.0, 1.0, 4.0, 8192)


@pytest.mark.parametrize(
    "config",
    [
        small_config(),
        small_config(rope_scaling=LLAMA3, tie_word_embeddings=True, pad_token_id=3),
        small_config(rope_scaling=RopeScaling("linear", 2.0), rope_theta=1e6),
    ],
)
def test_a_written_config_is_read_back(tmp_path, config):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config_json(config, "float32")), encoding="utf-8")
    assert read_config(path) == config


def test_a_config_of_transformers_5_is_read(tmp_path):
    path = tmp_path / "config.json"
    content = config_json(small_config(), "float32")
    del content["rope_theta"], content["rope_scaling"], content["head_dim"], content["num_key_value_heads"]
    content["rope_parameters"] = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0}
    content["eos_token_id"] = [2, 7]
    path.write_text(json.dumps(content), encoding="utf-8")
    config = read_config(path)
    assert config.rope_theta == 5e5
    assert config.rope_scaling == RopeScaling("llama3", 8.0)
    assert (config.head_dim, config.num_key_value_heads, config.eos_token_id) == (8, 4, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'; only 'llama'"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'; only 'silu'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, "rope_type is 'yarn'"),
        ({"num_key_value_heads": 3}, r"num_attention_heads \(4\) is not a multiple"),
        ({"vocab_size": None}, "key is missing.*vocab_size"),
    ],
)
def test_errors_name_file_and_key(tmp_path, changes, message):
    path = tmp_path / "config.json"
    content = {**config_json(small_config(), "float32"), **changes}
    path.write_text(
        json.dumps({key: value for key, value in content.items() if key != "vocab_size" or value}), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=rf"config\.json: .*{message}"):
        read_config(path)
