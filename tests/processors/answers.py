"""Answers of the in-process back end: scores, bits per byte, generated texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lemur.core.parameter_blocks import current_blocks
from lemur.inference.interface import Prompt, Score
from lemur.inference.jax_model import JaxModel
from lemur.model import folder as model_folder
from lemur.model.config import LlamaConfig
from lemur.model.weights import build, tensor_shapes
from tests.processors.synthetic import CHAT, text, write_tokenizer

NEW_TOKENS = 40


def answers(work: Path, changes: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Answers of a model of Lemur-Chat's shape, except `changes`; its large weights make the texts varied."""
    settings = current_blocks()
    words = settings["tokenizer"]["vocab_size"]
    folder = _model(work, settings["base_model"]["model"] | changes, words)
    model = JaxModel.load(folder, tile=settings["gsm8k"]["tile"], bos=True)
    rng = np.random.default_rng(7)

    def random_text(least: int, most: int) -> str:
        return text(rng, int(rng.integers(least, most)), words)

    examples = random_text(150, 170)
    pairs = [(random_text(3, 60), " " + random_text(2, 9)) for _ in range(12)]
    yield "log-likelihoods", _scores(model.loglikelihood(pairs))
    for beginning, where in (("", ""), (examples, " after a shared beginning")):
        prompts = [Prompt(f"{beginning} {random_text(3, 30)}", len(beginning)) for _ in range(8)]
        yield f"single tokens{where}", _scores(model.loglikelihood([(prompt, " w9") for prompt in prompts]))
        for temperature, method in ((0.0, "greedy"), (0.7, "sampled")):
            completions = model.generate(
                prompts, max_new_tokens=NEW_TOKENS, stop=["\n\n"], temperature=temperature, seed=1
            )
            yield f"{method} texts{where}", repr(completions).encode()

    bits = settings["bits_per_byte"]
    model = JaxModel.load(folder, tile=bits["tile"], bos=True, context=bits["context"])
    documents = [random_text(600, 700) for _ in range(3)]
    yield "bits per byte", _scores(model.rolling_loglikelihood(documents, overlap=bits["overlap"]))


def _model(work: Path, shape: dict[str, Any], words: int) -> Path:
    head = shape["hidden_size"] // shape["num_attention_heads"]
    config = LlamaConfig(**shape, head_dim=head, vocab_size=words + len(CHAT))
    rng = np.random.default_rng(4)
    weights = {
        name: np.float32(0.1) * rng.standard_normal(size, np.float32) + np.float32(len(size) == 1)
        for name, size in tensor_shapes(config).items()
    }
    write_tokenizer(work / "tokenizer", words, chat=True)
    model_folder.save(work / "model", build(config, weights.__getitem__), work / "tokenizer", dtype="float32")
    return work / "model"


def _scores(scores: Sequence[Score]) -> bytes:
    return repr([(score.logprob, score.token_logprobs, score.greedy) for score in scores]).encode()
