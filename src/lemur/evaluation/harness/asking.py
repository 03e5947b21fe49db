"""Choosing items, fitting examples into a prompt, and generating answers."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from lemur.evaluation.harness.sample import Generated
from lemur.inference.interface import Model

Item = TypeVar("Item")
Prompt = TypeVar("Prompt", bound=str)


def choose(items: Sequence[Item], limit: int | None, seed: int, key: Callable[[Item], str]) -> list[Item]:
    """At most `limit` items in their order, chosen by a hash of seed and `key`: an item's rank in the draw does not
    depend on the other items."""
    if limit is None or limit >= len(items):
        return list(items)

    def rank(index: int) -> tuple[str, int]:
        return hashlib.sha256(f"{seed}\n{key(items[index])}".encode()).hexdigest(), index

    return [items[index] for index in sorted(sorted(range(len(items)), key=rank)[:limit])]


def fit_shots(build: Callable[[int], Prompt], shots: int, model: Model, max_tokens: int) -> tuple[Prompt, int]:
    """`build(k)` and k, for the largest k <= `shots` whose prompt has at most `max_tokens` tokens. Drops shots as the
    paper's MMLU script does; without any the prompt may still be too long."""
    for count in range(shots, 0, -1):
        prompt = build(count)
        if model.count_tokens(prompt) <= max_tokens:
            return prompt, count
    return build(0), 0


def generate_fitting(
    model: Model,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    stop: Sequence[str],
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Generated]:
    """Answers in the order of `prompts`. A prompt that leaves no room for an answer is not asked."""
    fitting = [index for index, prompt in enumerate(prompts) if model.count_tokens(prompt) < model.context_length]
    answers = [Generated("", "prompt_too_long")] * len(prompts)
    short = [prompts[index] for index in fitting]
    generations = model.generate(short, max_new_tokens=max_new_tokens, stop=stop, temperature=temperature, seed=seed)
    for index, generation in zip(fitting, generations, strict=True):
        answers[index] = Generated(generation.text, generation.finish)
    return answers
