"""`transformers` and `jax` agree on one model folder: `make parity`, then `pytest -m parity tests/inference`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from lemur.inference import backends
from lemur.inference.interface import Generation, Model, Prompt
from lemur.model import folder
from lemur.model.llama import Llama
from tests.inference.test_jax_model import CONFIG, PROMPTS

pytestmark = pytest.mark.parity
pytest.importorskip("torch", reason="torch is not installed; only parity checks need this extra")

CONTEXT = CONFIG.max_position_embeddings
CONTINUATIONS = ("A", " A", " two words", "\n    x = 1  # ünï", " The following are multiple choice questions")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> tuple[Model, Model]:
    path = tmp_path_factory.mktemp("model")
    folder.save(path, Llama(CONFIG, rngs=nnx.Rngs(0)), tokenizer_folder, dtype="float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEMUR_ANSWERS", str(tmp_path_factory.mktemp("answers")))
        ours, theirs = (
            backends.open_model(path, name, task="test", tile=4, bos=True, context=None)
            for name in ("jax", "transformers")
        )
    return ours, theirs


def ask(models: Sequence[Model], prompts: Sequence[str], tokens: int, stop: Sequence[str]) -> list[Generation]:
    ours, theirs = (model.generate(prompts, max_new_tokens=tokens, stop=stop) for model in models)
    assert ours == theirs
    return ours


def test_the_answering_model_is_identified(models: tuple[Model, Model]) -> None:
    ours, theirs = (model.identity() for model in models)
    assert (ours.pop("backend"), theirs.pop("backend")) == ("jax", "transformers")
    assert set(theirs.pop("library_versions")) == {"tokenizers", "torch", "transformers"}
    del ours["library_versions"]
    assert ours == theirs and len(ours["model_hash"]) == 64


def test_greedy_answers_agree_for_prompts_of_different_lengths(models: tuple[Model, Model]) -> None:
    answers = ask(models, PROMPTS, 60, [])
    assert {answer.finish for answer in answers} == {"stop", "length"}, "some answers end and some are cut off"
    # One of the back ends has a separate cache for a prefix that several prompts share.
    prefix = "Question: How many eggs are in 3 boxes of 12? Answer: 3 times 12 is 36. " * 3
    shared = [Prompt(prefix + prompt, len(prefix)) for prompt in PROMPTS[:4]]
    ask(models, shared, 20, [])


@pytest.mark.parametrize("width", [1, 3])
def test_stop_strings_cut_at_the_same_place(models: tuple[Model, Model], width: int) -> None:
    free = ask(models, PROMPTS, 40, [])
    windows = [[answer.text[n : n + width] for n in range(3, len(answer.text) - width)] for answer in free]
    # Half a character has no text, so no stop string can contain it.
    stops = [next((text for text in texts if "\ufffd" not in text), "never") for texts in windows]
    assert len(set(stops)) > 2
    answers = ask(models, PROMPTS, 40, ["never", *stops])
    assert sum(len(answer.text) < len(whole.text) for answer, whole in zip(answers, free, strict=True)) > 2
    assert all(not any(stop in answer.text for stop in stops) for answer in answers)


def test_answers_that_fill_the_context_agree(models: tuple[Model, Model]) -> None:
    prompt = "Question: How many " * 20
    (answer,) = ask(models, [prompt], 10_000, [])
    assert answer.finish == "stop" or answer.tokens == CONTEXT - models[1].count_tokens(prompt)
    for model in models:
        with pytest.raises(ValueError, match=f"context {CONTEXT}"):
            model.generate([prompt * 2], max_new_tokens=1, stop=[])


def test_samples_depend_only_on_prompt_and_seed(models: tuple[Model, Model]) -> None:
    theirs = models[1]
    settings = {"max_new_tokens": 12, "stop": ["zz"], "temperature": 1.0}
    together = theirs.generate(PROMPTS, seed=3, **settings)  # type: ignore[arg-type]
    assert theirs.generate(PROMPTS[::-1], seed=3, **settings) == together[::-1]  # type: ignore[arg-type]
    assert theirs.generate(PROMPTS, seed=4, **settings) != together  # type: ignore[arg-type]


@pytest.mark.parametrize("long", [False, True])
def test_log_likelihoods_agree_within_1e_4_per_token(models: tuple[Model, Model], long: bool) -> None:
    contexts = ["Question: How many" * 60, "x = 1\n" * 400] if long else [*PROMPTS, "def add(a, b):\n    "]
    requests = [(context, continuation) for context in contexts for continuation in CONTINUATIONS]
    ours, theirs = (model.loglikelihood(requests) for model in models)
    assert len(ours) == len(theirs) == len(requests)
    assert min(len(score.token_logprobs) for score in ours) == 1, "one token after a context uses a separate program"
    for request, our, their in zip(requests, ours, theirs, strict=True):
        np.testing.assert_allclose(our.token_logprobs, their.token_logprobs, atol=1e-4, err_msg=str(request))
        assert our.logprob == pytest.approx(their.logprob, abs=1e-4 * len(our.token_logprobs))
        assert our.greedy == their.greedy


@pytest.mark.parametrize("overlap", [1, 100])
def test_rolling_log_likelihoods_agree_within_1e_4_per_token(models: tuple[Model, Model], overlap: int) -> None:
    texts = ["def add(a, b):\n    return a + b  # ünï\n" * 40, "x = 1", ""]
    ours, theirs = (model.rolling_loglikelihood(texts, overlap=overlap) for model in models)
    for text, our, their in zip(texts, ours, theirs, strict=True):
        np.testing.assert_allclose(our.token_logprobs, their.token_logprobs, atol=1e-4, err_msg=text[:30])
