"""Convert a source's turns to messages that alternate user and assistant, after at most one system message."""

from collections import Counter
from collections.abc import Callable

from lemur.core.records import Record
from lemur.instructions.normalising.markup import MarkupError
from lemur.instructions.readers.turns import RawConversation

ROLES = {
    **dict.fromkeys(("system",), "system"),
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bard", "bing", "assistant", "model"), "assistant"),
    **dict.fromkeys(("function_call", "observation", "tool", "function", "ipython"), "tool"),
}


class Unusable(Exception):
    """The conversation must be dropped: `reason` and `detail` for the rejects."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def messages(
    raw: RawConversation, clean: Callable[[str], str], *, keep_system: bool, dropped: Counter[str]
) -> list[Record]:
    """Cleaned messages of one conversation. Counts dropped single turns in `dropped`, by reason.

    Raises `Unusable` for an undocumented role, a tool turn, a system turn that is not first, two turns of one role in a
    row, HTML that cannot be converted, or if no answered question is left.
    """
    try:
        return _messages(raw, clean, keep_system, dropped)
    except MarkupError as error:
        raise Unusable("bad_markup", f"{error} in {raw.where}") from None


def _messages(
    raw: RawConversation, clean: Callable[[str], str], keep_system: bool, dropped: Counter[str]
) -> list[Record]:
    turns = [(_role(role, raw), content) for role, content in raw.turns]
    system = []
    if turns and turns[0][0] == "system":
        prompt = clean(turns.pop(0)[1])
        if prompt and keep_system:
            system = [{"role": "system", "content": prompt}]
        elif prompt:
            dropped["system"] += 1
    # An answer without its question teaches nothing; ShareGPT pages often begin with one, and FastChat drops it too.
    while turns and turns[0][0] == "assistant":
        turns.pop(0)
        dropped["leading_answer"] += 1
    kept: list[Record] = []
    for number, (role, content) in enumerate(turns):
        expected = ("user", "assistant")[number % 2]
        if role != expected:
            raise Unusable("role_order", f"turn {number + 1} is {role}, {expected} is expected")
        cleaned = clean(content)
        if not cleaned:
            # The turns after an empty one refer to something that the export lost.
            dropped["from_empty_turn_on"] += len(turns) - number
            break
        kept.append({"role": role, "content": cleaned})
    if len(kept) % 2:
        kept.pop()
        dropped["unanswered_question"] += 1
    if not kept:
        raise Unusable("no_answered_question", f"of {len(raw.turns)} turns none is an answered question")
    return system + kept


def _role(role: str, raw: RawConversation) -> str:
    chatml_role = ROLES.get(role.strip().lower())
    if chatml_role is None:
        raise Unusable("unknown_role", f"{role[:40]!r} in {raw.where}")
    if chatml_role == "tool":
        raise Unusable("tool_turn", f"{role!r}; ChatML as Lemur-Chat was trained has no tool role")
    return chatml_role
