"""WebArena's prompt: instructions, two examples and the page as it is now. Of the past it has only the last action."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lemur.agents.episodes.environment import Message
from lemur.agents.episodes.episode import Episode
from lemur.agents.web.actions import Form, WebAction
from lemur.inference.interface import Model, Prompt

Style = Literal["reasoning", "reasoning_without_na", "direct"]
NAMES: dict[tuple[Form, Style], str] = {
    ("symbolic", "reasoning"): "p_cot_id_actree_2s",
    ("symbolic", "reasoning_without_na"): "p_cot_id_actree_2s_no_na",
    ("symbolic", "direct"): "p_direct_id_actree_2s",
    ("programming", "reasoning"): "p_codegen_cot_id_actree_2s",
}
STOP = ("\nOBSERVATION:", "\nObservation\n:")
"""Beyond these a model without a chat template writes the next page itself."""
_URL = "\nURL: "


@dataclass(frozen=True)
class Texts:
    """`template`: of a turn, with {observation}, {url}, {objective} and {previous_action}."""

    intro: str
    examples: tuple[tuple[str, str], ...]
    template: str

    def opening(self) -> list[Message]:
        """The messages before the page: instructions, then the examples."""
        messages = [{"role": "system", "content": self.intro}]
        for question, answer in self.examples:
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return messages

    def turn(self, *, observation: str, url: str, objective: str, previous: str) -> str:
        values = {"observation": observation, "url": url, "objective": objective, "previous_action": previous}
        return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), self.template)


def read_texts(path: Path, form: Form, style: Style) -> Texts:
    """The prompt for a form of actions. Raises `ValueError` if the file has none for it."""
    prompts = json.loads(path.read_text(encoding="utf-8"))["prompts"]
    name = NAMES.get((form, style))
    if name not in prompts:
        have = sorted(f"{form} {style}" for (form, style), each in NAMES.items() if each in prompts)
        raise ValueError(f"{path}: no prompt for {form} actions, style {style}; it has {', '.join(have)}")
    prompt = prompts[name]
    examples = tuple((question, answer) for question, answer in prompt["examples"])
    return Texts(prompt["intro"], examples, prompt["template"])


def previous_action(action: WebAction | None, answer: str, node: str | None) -> str:
    """What the next prompt says of this turn. `node`: what the action's element was; `None`: there was none."""
    if action is None:
        text = (
            f'The previous prediction you issued was "{answer}". However, the format was incorrect. Ensure that the '
            "action is wrapped inside a pair of ``` and enclose arguments within [] as follows: ```action [arg] ...```."
        )
    elif action.element is not None and node is None:
        text = (
            f'Attempt to perfom "{action.name}" on element "[{action.element}]" but no matching element found. Please '
            "check the observation more carefully."
        )
    else:
        text = action.symbolic(node or "")
    return " ".join(text.split())


def as_prompt(model: Model, episode: Episode, *, in_chat: bool, observation_tokens: int, answer_tokens: int) -> Prompt:
    """Instructions, examples and the last page. The page keeps its first `observation_tokens` tokens, fewer if an
    answer of `answer_tokens` has no room otherwise."""
    opening = list(episode.messages[:-1])
    current = next((turn.message for turn in reversed(episode.turns)), episode.messages[-1]["content"])
    observation, url, rest = current.rpartition(_URL)

    def text(page: str) -> Prompt:
        return _text(model, [*opening, {"role": "user", "content": f"{page}{url}{rest}"}], in_chat=in_chat)

    room = model.context_length - answer_tokens - model.count_tokens(text(""))
    # One token less for what the joint of two texts may add.
    page = cut(model, observation, min(observation_tokens, max(room - 1, 0)))
    return text(page)


def _text(model: Model, messages: Sequence[Message], *, in_chat: bool) -> Prompt:
    if in_chat:
        text = model.chat_prompt(messages)
    else:
        examples = "".join(
            f"Observation\n:{question['content']}\n\nAction: {answer['content']}\n\n"
            for question, answer in zip(messages[1:-1:2], messages[2:-1:2], strict=True)
        )
        text = (
            f"{messages[0]['content']}\n\nHere are a few examples:\n{examples}"
            f"Now make prediction given the observation\n\nObservation\n:{messages[-1]['content']}\n\nAction:"
        )
    return Prompt(text, text.rfind(messages[-1]["content"]))


def cut(model: Model, text: str, tokens: int) -> str:
    """The longest beginning of `text` with at most `tokens` tokens, by halving."""
    if model.count_tokens(text) <= tokens:
        return text
    low, high = 0, min(len(text), tokens * 16)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if model.count_tokens(text[:middle]) <= tokens else (low, middle - 1)
    return text[:low]
