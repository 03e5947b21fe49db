"""From a source's turns to messages that alternate user and assistant, after at most one system message."""

from collections import Counter
from collections.abc import Callable

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation

ROLES = {
    **dict.fromkeys(("system",), "system"),
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bard", "bing", "assistant", "model"), "assistant"),
    **dict.fromkeys(("function_call", "observation", "tool", "function", "ipython"), "tool"),
}


class Unusable(Exception):
    """The conversation is dropped: `reason` and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def messages(
    raw: RawConversation, clean: Callable[[str], str], *, keep_system: bool, dropped: Counter[str]
) -> list[Record]:
    """Cleaned messages of one conversation; single turns that are left out are counted in `dropped` by reason.

    Raises `Unusable` for a role that no source documents, tool turns, a system turn that is not first, two turns of one
    role in a row, and if no answered question is left.
    """
    turns = [(_role(role, raw), content) for role, content in raw.turns]
    system = []
    if turns and turns[0][0] == "system":
        prompt = clean(turns.pop(0)[1])
        if prompt and keep_system:
            system = [{"role": "system", "content": prompt}]
        elif prompt:
            dropped["system"] += 1
    # An answer without its question teaches nothing; ShareGPT pages often begin in the middle (FastChat drops it too).
    while turns and turns[0][0] == "assistant":
        turns.pop(0)
        dropped["leading_answer"] += 1
    found: list[Record] = []
    for number, (role, content) in enumerate(turns):
        expected = ("user", "assistant")[number % 2]
        if role != expected:
            raise Unusable("role_order", f"turn {number + 1} is {role}, {expected} is expected")
        cleaned = clean(content)
        if not cleaned:
            # What follows an empty turn refers to something that the export lost.
            dropped["from_empty_turn_on"] += len(turns) - number
            break
        found.append({"role": role, "content": cleaned})
    if len(found) % 2:
        found.pop()
        dropped["unanswered_question"] += 1
    if not found:
        raise Unusable("no_answered_question", f"of {len(raw.turns)} turns none is an answered question")
    return system + found


def _role(role: str, raw: RawConversation) -> str:
    known = ROLES.get(role.strip().lower())
    if known is None:
        raise Unusable("unknown_role", f"{role[:40]!r} in {raw.where}")
    if known == "tool":
        raise Unusable("tool_turn", f"{role!r}; ChatML as Lemur-Chat was trained has no tool role")
    return known
