"""Against `transformers` with torch, where it is installed: `make parity`."""

import numpy as np
import pytest

from lemur.model import folder
from lemur.model.config import RopeScaling
from lemur.model.weights import build
from tests.model.reference import random_tensors, small_config

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch", reason="torch is not installed; it is an extra that only parity checks need")

LLAMA3 = RopeScaling("llama3", 4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 4, "tie_word_embeddings": True},
        {"rope_scaling": RopeScaling("linear", 2.0), "rope_theta": 1e6},
        {"rope_scaling": LLAMA3, "head_dim": 16},
    ],
    ids=["grouped", "all_heads_tied", "linear", "llama3"],
)
def test_logits_and_greedy_text_equal_transformers(tmp_path, changes):
    import transformers

    config = small_config(**changes)
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text("{}")
    folder.save(tmp_path / "m", build(config, random_tensors(config).__getitem__), tokenizer, dtype="float32")
    theirs = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "m", dtype=torch.float32)
    ours = folder.load(tmp_path / "m")[1]
    tokens = np.random.default_rng(0).integers(3, config.vocab_size, (4, 32))
    with torch.no_grad():
        expected = theirs(torch.from_numpy(tokens)).logits.numpy()
        text = theirs.generate(
            torch.from_numpy(tokens[:1, :8]), max_new_tokens=16, do_sample=False, eos_token_id=None, pad_token_id=0
        ).numpy()
    difference = np.abs(np.asarray(ours(tokens)) - expected).max()
    print(f"largest logit {np.abs(expected).max():.3f}, largest difference {difference:.2e}")
    assert difference < 1e-4
    for length in range(8, 24):
        assert int(np.asarray(ours(text[:, :length]))[0, -1].argmax()) == text[0, length]
