"""`lemur serve` through OpenAI's own client, and through the project's back end `server`."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai
import pytest

from lemur.inference.jax_model import JaxModel
from lemur.inference.server_model import Server, ServerModel
from lemur.inference.text import TextCodec
from lemur.serving.engine import Engine
from tests.serving.conftest import PROMPTS, Served

MESSAGES: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many?"}]


@pytest.fixture(scope="module")
def client(served: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=300)


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").object == "model"
    with pytest.raises(openai.NotFoundError, match="this server has the model 'tiny', not 'gpt'"):
        client.models.retrieve("gpt")


@pytest.mark.parametrize(("temperature", "seed"), [(0.0, 0), (1.0, 5)])
def test_a_chat_is_answered_as_in_process(
    client: openai.OpenAI, model: JaxModel, temperature: float, seed: int
) -> None:
    answer = client.chat.completions.create(
        model="tiny", messages=MESSAGES, max_tokens=40, temperature=temperature, seed=seed, stop=["zz"]
    )
    prompt = model.chat_prompt(MESSAGES)
    (expected,) = model.generate([prompt], max_new_tokens=40, stop=["zz"], temperature=temperature, seed=seed)
    assert answer.choices[0].message.content == expected.text
    assert answer.choices[0].finish_reason == expected.finish
    assert answer.usage and answer.usage.completion_tokens == expected.tokens
    assert answer.usage.prompt_tokens == model.count_tokens(prompt)


def test_a_stream_says_the_same_in_parts(client: openai.OpenAI, model: JaxModel) -> None:
    settings: Any = {"model": "tiny", "messages": MESSAGES, "max_completion_tokens": 90, "temperature": 1, "seed": 4}
    whole = client.chat.completions.create(**settings, n=2)
    texts, ends, usage = ["", ""], ["", ""], None
    parts = list(client.chat.completions.create(**settings, n=2, stream=True, stream_options={"include_usage": True}))
    for part in parts:
        for choice in part.choices:
            texts[choice.index] += choice.delta.content or ""
            ends[choice.index] = choice.finish_reason or ends[choice.index]
        usage = part.usage or usage
    assert texts == [choice.message.content for choice in whole.choices]
    assert ends == [choice.finish_reason for choice in whole.choices]
    assert texts[0] != texts[1] and usage == whole.usage
    assert len(parts) > 6


def test_a_plain_completion_and_its_stream(client: openai.OpenAI, model: JaxModel) -> None:
    expected = [each.text for each in model.generate(PROMPTS[:3], max_new_tokens=50, stop=[])]
    settings: Any = {"model": "tiny", "prompt": PROMPTS[:3], "max_tokens": 50, "temperature": 0}
    assert [choice.text for choice in client.completions.create(**settings).choices] == expected
    texts = [""] * 3
    for part in client.completions.create(**settings, stream=True):
        for choice in part.choices:
            texts[choice.index] += choice.text
    assert texts == expected


def test_logprobs_are_those_of_the_model(client: openai.OpenAI, model: JaxModel, codec: TextCodec) -> None:
    answer = client.chat.completions.create(
        model="tiny", messages=MESSAGES, max_tokens=8, temperature=0, logprobs=True, top_logprobs=3
    )
    assert answer.choices[0].logprobs and answer.choices[0].logprobs.content
    content = answer.choices[0].logprobs.content
    prompt = codec.encode_prompt(model.chat_prompt(MESSAGES))
    assert len(content) == 8 and all(len(entry.top_logprobs) == 3 for entry in content)
    assert all(entry.logprob == max(top.logprob for top in entry.top_logprobs) for entry in content)  # greedy
    assert codec.decode_answer(prompt, []) == ""
    scored = client.completions.create(model="tiny", prompt=PROMPTS[4], max_tokens=0, echo=True, logprobs=1)
    found = scored.choices[0].logprobs
    assert found and found.token_logprobs and found.tokens and scored.choices[0].text == PROMPTS[4]
    whole = model.rolling_loglikelihood([PROMPTS[4]], overlap=1)[0]
    np.testing.assert_allclose(found.token_logprobs[1:], whole.token_logprobs, atol=1e-5)
    assert found.tokens[0] == "<s>" and "".join(found.tokens[1:]) == PROMPTS[4]


def test_the_back_end_server_gets_the_answers_and_scores_of_the_model(
    served: Served, model: JaxModel, codec: TextCodec
) -> None:
    there = ServerModel(codec, Server(served.url, concurrency=8), model.context_length)
    settings: Any = {"max_new_tokens": 60, "stop": ["zz", "\n\n", "q", "e"]}
    assert there.generate(PROMPTS, **settings) == model.generate(PROMPTS, **settings)
    requests = [(prompt, text) for prompt in PROMPTS for text in (" A", " two words", "\n")]
    for here, score in zip(model.loglikelihood(requests), there.loglikelihood(requests), strict=True):
        np.testing.assert_allclose(score.token_logprobs, here.token_logprobs, atol=1e-5)
        assert score.greedy == here.greedy
    texts = ["words " * 100]
    (here,), (score,) = (each.rolling_loglikelihood(texts, overlap=4) for each in (model, there))
    np.testing.assert_allclose(score.logprob, here.logprob, rtol=1e-3)  # its windows are one token shorter
    assert len(score.token_logprobs) == len(here.token_logprobs)


def test_32_clients_get_what_one_gets(client: openai.OpenAI, engine: Engine, model: JaxModel) -> None:
    def ask(number: int) -> str:
        prompt, longest = f"{PROMPTS[number % 7]} {number}", 20 + 3 * (number % 13)
        if number % 2:
            stream = client.completions.create(
                model="tiny", prompt=prompt, max_tokens=longest, temperature=0, stream=True
            )
            return "".join(part.choices[0].text for part in stream)
        answer = client.completions.create(model="tiny", prompt=prompt, max_tokens=longest, temperature=0)
        return answer.choices[0].text

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(96)))
    for number, answer in enumerate(answers):
        prompt, longest = f"{PROMPTS[number % 7]} {number}", 20 + 3 * (number % 13)
        assert answer == model.generate([prompt], max_new_tokens=longest, stop=[])[0].text
    assert engine.state() == {"running": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": "x", "top_p": 0.5}, "top_p: "),
        ({"prompt": "x", "logit_bias": {"5": 1}}, "logit_bias is not supported"),
        ({"prompt": [5, 300]}, "tokens 0 to 299 are allowed"),
        ({"prompt": []}, "prompt: empty"),
        ({"prompt": "x", "max_tokens": -1}, "max_tokens: "),
        ({"prompt": "x", "temperature": 3}, "temperature: "),
        ({"prompt": "x", "stop": [""]}, "stop"),
        ({"prompt": "x", "n": 99}, "n: "),
        ({"prompt": "word " * 200}, "the model's context of 160 must also hold the answer"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens: "),
    ],
)
def test_what_cannot_be_answered_is_an_error(client: openai.OpenAI, settings: dict[str, Any], message: str) -> None:
    extra = {name: value for name, value in settings.items() if name != "prompt"}
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="tiny", prompt=settings["prompt"], extra_body=extra)
    body: Any = error.value.body
    assert message in body["message"] and body["type"] == "invalid_request_error" and len(body["message"]) < 400


def test_an_overlong_conversation_has_openais_code(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "word " * 200}])
    assert error.value.code == "context_length_exceeded" and error.value.param == "messages"
