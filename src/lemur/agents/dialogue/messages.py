"""The texts of MINT's protocol, and how a conversation becomes a prompt."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lemur.agents.episodes.environment import Action, Message, Step
from lemur.agents.episodes.episode import Episode
from lemur.inference.interface import Model, Prompt

STOP = ("\nObservation:", "\nExpert feedback:", "\nTask:", "\n---", "\nHuman:")
WRONG = "Your answer is wrong."
NOT_UNDERSTOOD = (
    "I don't understand your input. \n"
    "If you want to execute code, please use <execute> YOUR_CODE_HERE </execute>.\n"
    "If you want to give me an answer, please use <solution> YOUR_SOLUTION_HERE </solution>.\n"
    "For example: The answer to the question is <solution> 42 </solution>. \n"
)
LAST_STEP = "You should take the last step to propose a solution.\n"
TOOLS = "Tool function available (already imported in <execute> environment):\n"


@dataclass(frozen=True)
class Limits:
    """Messages of the model in an episode, and how many of them may propose a solution."""

    turns: int
    proposals: int


def first_message(template: str, *, limits: Limits, tools: str, example: str, task: str) -> str:
    """`tools`: their descriptions, or empty; `example`: a worked example; `task`: the task's text."""
    values = {
        "max_total_steps": str(limits.turns),
        "max_propose_solution": str(limits.proposals),
        "tool_desc": f"{TOOLS}{tools}\n" if tools else "",
        "in_context_example": example,
        "task_prompt": f"Task:\n{task}",
    }
    return fill(template, values)


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{name}` of `values` replaced; other braces, and those in the values, stay."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), template)


def parse(answer: str) -> Action:
    """A text with `<solution>` proposes, any other one runs code. Several blocks are joined; without a whole block it
    is invalid, with what it tried in `text`."""
    kind, tag = ("solution", "solution") if "<solution>" in answer else ("tool", "execute")
    blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", answer, re.DOTALL)
    text = "\n".join(block.strip() for block in blocks)
    return Action(kind, text) if text else Action("invalid", kind)


def said(answer: str) -> str:
    """An answer as later prompts show it."""
    return f"{answer}\n" if answer.lstrip().startswith("Assistant:") else f"Assistant:\n{answer}\n"


def next_message(step: Step, feedback: str) -> str:
    """What the model reads after a turn: the observation, what is left of the limits, the teacher's `feedback`."""
    text = f"Observation:\n{step.observation}\n"
    turns, proposals = step.left["turns"], step.left["proposals"]
    text += f"You have {turns} steps left and {proposals} chances to propose solution left.\n"
    if turns <= 1:
        text += LAST_STEP
    return text + (f"\nExpert feedback:\n{feedback}\n" if feedback else "")


def prompt(model: Model, episode: Episode, in_chat: bool) -> Prompt:
    """The conversation so far. All episodes of a task share the text before the task."""
    messages = [
        {"role": message["role"], "content": said(message["content"])} if message["role"] == "assistant" else message
        for message in episode.transcript()
    ]
    text = model.chat_prompt(messages) if in_chat else plain(messages)
    shared = text.find(messages[0]["content"])
    return Prompt(text, shared + messages[0]["content"].rfind("Task:\n") if shared >= 0 else 0)


def plain(messages: Sequence[Message]) -> str:
    """The conversation for a model without a chat template, as MINT writes it."""
    names = {"user": "Human", "assistant": "Assistant"}
    return "".join(f"\n\n{names[each['role']]}: {each['content']}" for each in messages) + "\n\nAssistant:"
