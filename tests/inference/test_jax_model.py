import random
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lemur.inference.jax_model import JaxModel
from lemur.inference.text import TextCodec
from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama

CONFIG = LlamaConfig(
    vocab_size=300,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=320,
    initializer_range=0.3,  # far from uniform, so that greedy answers differ from prompt to prompt
)
PROMPTS = [
    "def add(a, b):\n    return",
    "Question: How many",
    "x",
    "class Point:\n    def __init__" * 8,
    "ünïcode 漢字",
    "The following are multiple choice questions " * 6,
    "    self.x",
    "",
]


@pytest.fixture(scope="module")
def llama() -> Llama:
    return Llama(CONFIG, rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def model(llama: Llama, tokenizer_folder: Path) -> JaxModel:
    return JaxModel(llama, TextCodec(tokenizer_folder, bos=True), tile=4)


@nnx.jit
def forward(llama: Llama, tokens: jax.Array) -> jax.Array:
    return jax.nn.log_softmax(llama(tokens))[0]


def logprobs_of(llama: Llama, tokens: list[int]) -> np.ndarray:
    """Log-probabilities [L, V] by the model's plain call. It is causal, so padding at the end changes nothing."""
    row = jnp.zeros((1, 320), jnp.int32).at[0, : len(tokens)].set(jnp.array(tokens))
    return np.asarray(forward(llama, row))[: len(tokens)]


def naive_greedy(llama: Llama, prompt: list[int], count: int) -> list[int]:
    """Greedy tokens without cache and tiles."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(logprobs_of(llama, tokens)[-1].argmax()))
    return tokens[len(prompt) :]


def test_greedy_answers_equal_those_of_plain_forward_passes(
    model: JaxModel, llama: Llama, tokenizer_folder: Path
) -> None:
    codec = TextCodec(tokenizer_folder, bos=True)
    for prompt, answer in zip(PROMPTS[:3], model.generate(PROMPTS[:3], max_new_tokens=6, stop=[]), strict=True):
        tokens = codec.encode_prompt(prompt)
        expected = naive_greedy(llama, tokens, 6)
        end = next((index for index, token in enumerate(expected) if token in codec.eos_ids), 6)
        assert answer.text == codec.decode_answer(tokens, expected[:end])
        assert (answer.finish, answer.tokens) == (("stop", end + 1) if end < 6 else ("length", 6))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answers_do_not_depend_on_grouping_or_order(model: JaxModel, temperature: float) -> None:
    settings = {"max_new_tokens": 20, "stop": ["zz"], "temperature": temperature, "seed": 3}
    together = model.generate(PROMPTS, **settings)  # type: ignore[arg-type]
    assert [model.generate([prompt], **settings)[0] for prompt in PROMPTS] == together  # type: ignore[arg-type]
    order = list(range(len(PROMPTS)))
    random.Random(0).shuffle(order)
    assert model.generate([PROMPTS[index] for index in order], **settings) == [together[index] for index in order]  # type: ignore[arg-type]


def test_samples_depend_on_the_seed(model: JaxModel) -> None:
    first, again, other = (
        model.generate(PROMPTS[:2], max_new_tokens=8, stop=[], temperature=1.0, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_scores_have_the_same_bits_in_any_grouping_and_order(model: JaxModel) -> None:
    requests = [(prompt, continuation) for prompt in PROMPTS for continuation in (" A", " B", " two words", "\nx = 1")]
    together = model.loglikelihood(requests)
    assert [model.loglikelihood([request])[0] for request in requests] == together
    assert model.loglikelihood(requests[::-1]) == together[::-1]


def test_scores_equal_a_full_forward_pass(model: JaxModel, llama: Llama, tokenizer_folder: Path) -> None:
    codec = TextCodec(tokenizer_folder, bos=True)
    requests = [(prompt, continuation) for prompt in PROMPTS for continuation in (" A", " several words here")]
    for (context, continuation), score in zip(requests, model.loglikelihood(requests), strict=True):
        before, after = codec.encode_pair(context, continuation)
        logprobs = logprobs_of(llama, before + after)
        expected = [float(logprobs[len(before) + n - 1, token]) for n, token in enumerate(after)]
        np.testing.assert_allclose(score.token_logprobs, expected, atol=2e-5)
        greedy = [int(logprobs[len(before) + n - 1].argmax()) for n in range(len(after))]
        assert score.greedy == (greedy == after)


@pytest.mark.parametrize("overlap", [1, 100])
def test_rolling_scores_cover_every_token_once(
    model: JaxModel, llama: Llama, tokenizer_folder: Path, overlap: int
) -> None:
    codec = TextCodec(tokenizer_folder, bos=True)
    long, short = "def add(a, b):\n    return a + b  # ünï\n" * 40, "x = 1"
    scores = model.rolling_loglikelihood([long, short, ""], overlap=overlap)
    assert [len(score.token_logprobs) for score in scores] == [len(codec.encode(long)), len(codec.encode(short)), 0]
    tokens = [codec.bos_id, *codec.encode(long)]
    logprobs = logprobs_of(llama, tokens[:320])
    expected = [float(logprobs[index - 1, tokens[index]]) for index in range(1, 320)]
    np.testing.assert_allclose(scores[0].token_logprobs[:319], expected, atol=5e-5)
    # The second window sees the last `overlap` tokens of the first.
    start = 320 - overlap
    logprobs = logprobs_of(llama, tokens[start : start + 320])
    assert scores[0].token_logprobs[319] == pytest.approx(float(logprobs[overlap - 1, tokens[320]]), abs=5e-5)
    assert scores[1] == model.loglikelihood([("", short)])[0]


def test_stop_strings_are_found_across_token_boundaries(model: JaxModel) -> None:
    free = model.generate(PROMPTS[:4], max_new_tokens=40, stop=[])
    for prompt, answer in zip(PROMPTS[:4], free, strict=True):
        for width in (1, 2, 3, 5):
            for start in range(0, max(1, len(answer.text) - width), 7):
                stop = answer.text[start : start + width]
                if not stop or "\ufffd" in stop:
                    continue
                stopped = model.generate([prompt], max_new_tokens=40, stop=["never", stop])[0]
                assert stopped.text == answer.text[: answer.text.index(stop)]
                assert stopped.finish == "stop" and stopped.tokens <= answer.tokens


def test_an_answer_ends_when_the_context_is_full(model: JaxModel) -> None:
    prompt = "Question: How many " * 20
    tokens = model.count_tokens(prompt)
    assert tokens < 320
    answer = model.generate([prompt], max_new_tokens=10_000, stop=[])[0]
    assert answer.finish == "stop" or answer.tokens == 320 - tokens
    with pytest.raises(ValueError, match="context 320"):
        model.generate([prompt * 2], max_new_tokens=1, stop=[])


def test_a_context_that_is_too_long_is_cut_at_its_beginning(model: JaxModel) -> None:
    context = "Question: How many " * 60
    tail = context[-2000:]
    assert len(model.loglikelihood([(context, " A"), (tail, " A"), (context, " two words")])) == 3
