"""The same play with a scripted model, a server with OpenAI's API, and JAX; `test_mint.py` has replay."""

import json
import shutil
from pathlib import Path

import pytest
from flax import nnx

from lemur.agents.dialogue.messages import prompt as dialogue_prompt
from lemur.agents.episodes.episode import Episode
from lemur.agents.episodes.play import Asking, play
from lemur.inference.interface import Generation, Model
from lemur.inference.jax_model import JaxModel
from lemur.inference.server_model import Server, ServerModel
from lemur.inference.text import TextCodec
from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama
from tests.agents.worlds import Counting
from tests.evaluation.conftest import Oracle
from tests.inference.openai_server import OpenAiServer, running

LENGTH = 512


def in_chat(model: Model, episode: Episode) -> str:
    return dialogue_prompt(model, episode, True)


ASKING = Asking(in_chat, tokens=6, stop=("\n",))


@pytest.fixture
def folder(tokenizer_folder: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "served"
    shutil.copytree(tokenizer_folder, copied)
    (copied / "config.json").write_text(json.dumps({"max_position_embeddings": LENGTH}), encoding="utf-8")
    return copied


def worlds() -> list[Counting]:
    return [Counting(f"world/{number}", goal=1 + number % 4, turns=4) for number in range(9)]


def counts_up(prompt: str) -> str:
    return str(prompt.count("<|im_start|>assistant"))


def test_a_server_plays_as_the_scripted_model_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers come over HTTP, to prompts sent as token ids, with failures of the server on the way."""
    codec = TextCodec(folder, bos=True)
    scripted = Oracle(counts_up, context_length=LENGTH)
    builder = ServerModel(codec, Server("http://127.0.0.1:9/v1", concurrency=1), LENGTH)
    for name in ("count_tokens", "chat_prompt"):
        monkeypatch.setattr(scripted, name, getattr(builder, name))
    expected = play(scripted, worlds(), ASKING)
    assert {episode.ended for episode in expected} == {"solved"}

    def generate(body: dict[str, object]) -> Generation:
        tokens = body["prompt"]
        assert isinstance(tokens, list)
        text = codec._tokenizer.decode(tokens, skip_special_tokens=False)
        return Generation(counts_up(text), 1, "length")

    server = OpenAiServer(generate, lambda tokens: [])
    server.fault = lambda number: {3: "drop", 5: (503, {}), 8: "half"}.get(number)  # type: ignore[assignment,return-value]
    with running(server):
        model = ServerModel(codec, Server(server.url, concurrency=4, pause=0.01), LENGTH)
        assert play(model, worlds(), ASKING, workers=2) == expected


def test_jax_plays_the_same_episodes_together_and_one_at_a_time(folder: Path) -> None:
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=LENGTH,
        initializer_range=0.3,  # far from uniform, so that answers differ
    )
    model = JaxModel(Llama(config, rngs=nnx.Rngs(0)), TextCodec(folder, bos=True), tile=4)
    together = play(model, worlds(), ASKING)
    alone = play(model, worlds()[::-1], ASKING, at_once=1)
    assert together == alone[::-1]
    answers = [turn.answer for episode in together for turn in episode.turns]
    assert len(answers) > 18 and len(set(answers)) > 3
