"""What the model reads: the few-shot program with a query, then its errors. The paper publishes no text for either; the
completion is the original's, and what a chat model reads around it is written for this project."""

from lemur.agents.episodes.episode import Episode
from lemur.benchmark_items.robocodegen import Problem, Setting
from lemur.inference.interface import Model, Prompt

STOP = ("# define function:", "# example:")
"""The original's, for completions. A chat model may repeat the query before its code, so nothing stops it."""
ASK = "Write the function that the last comment of this program asks for. Answer with its code only."


def opening(problem: Problem, setting: Setting, examples: str, *, in_chat: bool) -> str:
    program = f"{setting.prompts[examples]}\n{problem.query}"
    return f"{ASK}\n```python\n{program}\n```" if in_chat else program


def after_error(problem: Problem, error: str, *, in_chat: bool) -> str:
    """What follows an answer whose code raised `error`."""
    if in_chat:
        return f"This code raised an error:\n{error}\n\nWrite the whole function again, without the error."
    commented = "\n".join(f"# {line}".rstrip() for line in error.splitlines())
    return f"# The function above raised an error:\n{commented}\n{problem.query}"


def prompt(model: Model, episode: Episode, *, in_chat: bool) -> Prompt:
    """The conversation so far, or the program so far. All problems share the text before the query."""
    messages = episode.transcript()
    first = messages[0]["content"]
    if in_chat:
        text = model.chat_prompt(messages)
    else:
        text = first + "".join(
            message["content"].rstrip() if message["role"] == "assistant" else f"\n\n{message['content']}"
            for message in messages[1:]
        )
    start = text.find(first)
    return Prompt(text, start + first.rfind(STOP[0]) if start >= 0 else 0)
