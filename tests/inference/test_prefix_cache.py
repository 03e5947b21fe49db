"""A shared prefix is computed once, changes no answer, and does not depend on the other prompts."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx

from lemur.inference.compiled_programs import Programs
from lemur.inference.interface import Prompt
from lemur.inference.jax_model import JaxModel
from lemur.inference.text import TextCodec
from lemur.model.llama import Llama
from tests.inference.test_jax_model import CONFIG

SHOTS = ["Question: How many eggs are in 3 boxes? Answer: 36. " * 4, "def add(a, b):\n    return a + b\n\n" * 6]
RESTS = ["class Point:", "x", "Question: How many " * 3, "ünïcode 漢字", "    self.x = x"]
PROMPTS = [Prompt(shots + rest, len(shots)) for shots in SHOTS for rest in RESTS] + [Prompt("short", 3)]
LETTERS = ["a", "b", "("]


@pytest.fixture(scope="module")
def model(tokenizer_folder: Path) -> JaxModel:
    return JaxModel(Llama(CONFIG, rngs=nnx.Rngs(0)), TextCodec(tokenizer_folder, bos=True), tile=4)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the computed prefixes."""
    lengths: list[int] = []
    original: Callable[..., Any] = Programs.prefix_cache

    def prefix_cache(self: Programs, tokens: np.ndarray, length: int) -> Any:
        lengths.append(length)
        return original(self, tokens, length)

    monkeypatch.setattr(Programs, "prefix_cache", prefix_cache)
    return lengths


def test_a_shared_prefix_changes_no_answer_and_is_computed_once(model: JaxModel, computed: list[int]) -> None:
    requests = [(prompt, letter) for prompt in PROMPTS for letter in LETTERS]
    shared = model.loglikelihood(requests)
    assert len(computed) == len(SHOTS), "each prefix is needed once per bucket of rests"
    plain = model.loglikelihood([(str(prompt), letter) for prompt, letter in requests])
    assert len(computed) == len(SHOTS)
    np.testing.assert_allclose([s.logprob for s in shared], [s.logprob for s in plain], atol=2e-5)
    assert [s.greedy for s in shared] == [s.greedy for s in plain]
    generated = model.generate(PROMPTS, max_new_tokens=8, stop=["\n"])
    assert len(computed) == len(SHOTS), "cached from before"
    assert generated == model.generate([str(prompt) for prompt in PROMPTS], max_new_tokens=8, stop=["\n"])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_any_grouping_gives_the_same_bits(model: JaxModel, temperature: float) -> None:
    settings = {"max_new_tokens": 8, "stop": ["\n"], "temperature": temperature}
    whole = model.generate(PROMPTS, **settings)  # type: ignore[arg-type]
    order = random.Random(0).sample(range(len(PROMPTS)), len(PROMPTS))
    assert model.generate([PROMPTS[index] for index in order], **settings) == [whole[index] for index in order]  # type: ignore[arg-type]
    assert [model.generate([prompt], **settings)[0] for prompt in PROMPTS] == whole  # type: ignore[arg-type]


def test_scores_do_not_depend_on_other_prompts(model: JaxModel) -> None:
    requests = [(prompt, letter) for prompt in PROMPTS for letter in LETTERS]
    whole = model.loglikelihood(requests)
    assert [model.loglikelihood([request])[0] for request in requests] == whole


def test_a_prompt_longer_than_the_context_is_cut_at_its_beginning(model: JaxModel, computed: list[int]) -> None:
    long = SHOTS[0] * 3
    assert model.count_tokens(long) > model.context_length
    assert model.loglikelihood([(Prompt(long + "x", len(long)), "a")]) == model.loglikelihood([(long + "x", "a")])
    assert computed == []


def test_a_token_across_the_boundary_belongs_to_the_rest(model: JaxModel) -> None:
    text = SHOTS[1] + "def add"
    prompt = Prompt(text, len(text) - 2)  # ends its prefix in the middle of a word
    split = model._prefixes.split(prompt, model._codec.encode_prompt(text))
    assert [*split.prefix, *split.rest] == model._codec.encode_prompt(text)
    assert split.rest and len(split.prefix) >= 64
