"""Log-probabilities in the two shapes of OpenAI's API."""

from collections.abc import Sequence
from typing import Any

from lemur.inference.text import TextCodec
from lemur.serving.scoring import Scores


def token_texts(codec: TextCodec, tokens: Sequence[int]) -> list[str]:
    return [codec.token_text(token) for token in tokens]


def for_completion(codec: TextCodec, tokens: Sequence[int], scores: Scores, *, start: int, top: int) -> dict[str, Any]:
    """Of `tokens[start:]`, whose text is all that the client sees. `scores`: those of all `tokens`."""
    texts = token_texts(codec, tokens[start:])
    offsets, offset = [], 0
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    values: list[float | None] = []
    tops: list[dict[str, float] | None] = []
    for place in range(start, len(tokens)):
        if place == 0:  # nothing comes before it
            values.append(None)
            tops.append(None)
            continue
        values.append(float(scores.logprobs[place - 1]))
        entries: dict[str, float] = {}
        for text, value in _top(codec, scores, place, top):
            entries.setdefault(text, value)  # tokens may have the same text: the likeliest counts
        entries.setdefault(texts[place - start], values[-1])  # type: ignore[arg-type]
        tops.append(entries)
    return {"tokens": texts, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets}


def for_chat(codec: TextCodec, tokens: Sequence[int], scores: Scores, *, start: int, top: int) -> dict[str, Any]:
    """The same for a chat."""
    content = []
    for place, text in enumerate(token_texts(codec, tokens[start:]), start):
        tops = [_entry(text, value) for text, value in _top(codec, scores, place, top)]
        content.append({**_entry(text, float(scores.logprobs[place - 1])), "top_logprobs": tops})
    return {"content": content, "refusal": None}


def _top(codec: TextCodec, scores: Scores, place: int, top: int) -> list[tuple[str, float]]:
    tokens, values = scores.top[place - 1][:top].tolist(), scores.top_logprobs[place - 1][:top].tolist()
    return list(zip(token_texts(codec, tokens), values, strict=True))


def _entry(text: str, value: float) -> dict[str, Any]:
    return {"token": text, "logprob": value, "bytes": list(text.encode())}
