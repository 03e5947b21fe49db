"""A request of OpenAI's API as requests to the engine, and their answers as its choices."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from lemur.serving.api.asking import answers, finished, scores
from lemur.serving.api.bodies import Body, ChatBody, CompletionBody
from lemur.serving.api.errors import ApiError
from lemur.serving.api.logprobs import for_chat, for_completion
from lemur.serving.engine import Engine
from lemur.serving.row import Request, Row


@dataclass(frozen=True)
class Question:
    """What a client asks: a request to the engine for each choice. `top`: how many of the likeliest tokens it wants to
    see with their log-probabilities (None: no log-probabilities); `n`: choices for each prompt."""

    requests: list[Request]
    chat: bool
    top: int | None
    n: int
    echo: bool = False

    @property
    def generates(self) -> bool:
        return self.requests[0].max_tokens > 0


def completion(engine: Engine, body: CompletionBody) -> Question:
    """Raises `ApiError` for a prompt that cannot be answered."""
    if body.max_tokens == 0 and not body.echo:
        raise ApiError(400, "max_tokens: 0 tokens without `echo` would be nothing", param="max_tokens")
    if body.stream and body.echo:
        raise ApiError(400, "echo: not with `stream`", param="echo")
    requests: list[Request] = []
    for prompt in body.prompts:
        requests += _choices(engine, body, prompt, body.max_tokens)
    if not requests:
        raise ApiError(400, "prompt: empty", param="prompt")
    return Question(requests, False, body.logprobs, body.n, body.echo)


def chat(engine: Engine, body: ChatBody) -> Question:
    """Raises `ApiError` for a conversation that the template refuses or that fills the context."""
    if not engine.chat:
        raise ApiError(400, "this model has no chat template; use /v1/completions", param="messages")
    try:
        prompt = engine.chat_prompt([message.plain() for message in body.messages])
    except ValueError as error:
        raise ApiError(400, str(error), param="messages") from None
    if body.top_logprobs is not None and not body.logprobs:
        raise ApiError(400, "top_logprobs: only with `logprobs`", param="top_logprobs")
    longest = body.max_completion_tokens or body.max_tokens or engine.context_length
    top = (body.top_logprobs or 0) if body.logprobs else None
    return Question(_choices(engine, body, prompt, longest), True, top, body.n)


def _choices(engine: Engine, body: Body, prompt: str | list[int], max_tokens: int) -> list[Request]:
    seed = secrets.randbits(31) if body.seed is None else body.seed
    temperature = 1.0 if body.temperature is None else body.temperature
    if isinstance(prompt, str):
        text, tokens = prompt, engine.codec.encode_prompt(prompt) or [engine.codec.bos_id]
    else:
        tokens = prompt
        if not tokens or not all(0 <= token < engine.vocabulary for token in tokens):
            raise ApiError(
                400, f"prompt: tokens 0 to {engine.vocabulary - 1} are allowed, at least one", param="prompt"
            )
        text = engine.codec.prompt_text(tokens)
    if len(tokens) + min(max_tokens, 1) > engine.context_length:
        raise ApiError(
            400,
            f"the prompt has {len(tokens)} tokens; the model's context of {engine.context_length} must also hold the "
            "answer",
            code="context_length_exceeded",
            param="messages" if isinstance(body, ChatBody) else "prompt",
        )
    return [
        Request(text, tuple(tokens), max_tokens, tuple(body.stops), temperature, seed + number)
        for number in range(body.n)
    ]


async def whole(engine: Engine, question: Question) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The choices and the usage."""
    rows: list[Row] = await finished(engine, question.requests) if question.generates else []
    choices = []
    for index, request in enumerate(question.requests):
        row = rows[index] if rows else None
        text = row.result.text if row and row.result else ""
        finish = row.result.finish if row and row.result else "length"
        logprobs = await _logprobs(engine, question, request, row)
        said: dict[str, Any]
        if question.chat:
            said = {"message": {"role": "assistant", "content": text, "refusal": None}}
        else:
            said = {"text": (request.text if question.echo else "") + text}
        choices.append({"index": index, **said, "logprobs": logprobs, "finish_reason": finish})
    return choices, usage(question, rows)


async def parts(engine: Engine, question: Question) -> AsyncIterator[tuple[list[dict[str, Any]], dict[str, int]]]:
    """Choices with what is new of their answers, and the usage so far."""
    sent = [0] * len(question.requests)
    ended: set[int] = set()
    role = {"role": "assistant", "content": ""}
    new = [_delta(index, role) for index in range(len(sent))] if question.chat else []
    async for rows in answers(engine, question.requests):
        for index, row in enumerate(rows):
            result, visible = row.result, row.visible  # in this order: a result's text is all visible
            if len(visible) > sent[index]:
                text, sent[index] = visible[sent[index] :], len(visible)
                new.append(_delta(index, {"content": text}) if question.chat else _part(index, text))
            if result and index not in ended:
                ended.add(index)
                last = _delta(index, {}) if question.chat else _part(index, "")
                logprobs = await _logprobs(engine, question, question.requests[index], row)
                new.append({**last, "logprobs": logprobs, "finish_reason": result.finish})
        if new:
            yield new, usage(question, rows)
        new = []


def usage(question: Question, rows: list[Row]) -> dict[str, int]:
    prompt = sum(len(request.tokens) for request in question.requests) // question.n
    answer = sum(row.result.tokens for row in rows if row.result)
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


async def _logprobs(engine: Engine, question: Question, request: Request, row: Row | None) -> dict[str, Any] | None:
    """By one more pass over prompt and answer, so that answers without log-probabilities cost nothing."""
    if question.top is None:
        return None
    answer = row.answer[: row.tokens] if row else []
    tokens = [*request.tokens, *answer]
    found = await scores(engine, tokens, question.top)
    start = 0 if question.echo else len(request.tokens)
    if question.chat:
        return for_chat(engine.codec, tokens, found, start=start, top=question.top)
    return for_completion(engine.codec, tokens, found, start=start, top=max(question.top, 1))


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _part(index: int, text: str) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": None}
