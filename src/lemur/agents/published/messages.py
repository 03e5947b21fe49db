"""The texts of MINT's protocol in a recorded trajectory: tags in answers, limits and feedback in observations."""

import re

from lemur.agents.episodes.environment import Action

SOLUTION = "<solution>"
_SOLUTIONS = re.compile(r"<solution>(.*?)</solution>", re.DOTALL)
_CODE = (re.compile(r"<execute>(.*?)</execute>", re.DOTALL), re.compile(r"```python(.*?)```", re.DOTALL))
_LEFT = re.compile(r"\n?You have (-?\d+) steps left and (-?\d+) chances to propose solution left\.\n")
_FEEDBACK = "\nExpert feedback:\n"


def action(answer: str) -> Action:
    """What MINT read in a message: with "<solution>" a proposal; else code in <execute> tags, later in a code block."""
    if SOLUTION in answer:
        text = _joined(_SOLUTIONS, answer)
        return Action("solution" if text else "invalid", text)
    code = next(filter(None, (_joined(tag, answer) for tag in _CODE)), "")
    return Action("tool" if code else "invalid", code)


def _joined(tag: re.Pattern[str], answer: str) -> str:
    return "\n".join(text.strip() for text in tag.findall(answer))


def answer(content: str) -> str:
    """The model's message without the name and the line end that MINT's history adds."""
    return content.removeprefix("Assistant:\n").removesuffix("\n")


def observation(content: str) -> tuple[str, dict[str, int], str]:
    """Observation, limits left {turns, proposals} and the teacher's feedback in a message that MINT made."""
    match = _LEFT.search(content)
    if match is None:
        return content.removeprefix("Observation:\n"), {}, ""
    left = {"turns": int(match[1]), "proposals": int(match[2])}
    feedback = content[match.end() :].partition(_FEEDBACK)[2].removesuffix("\n")
    return content[: match.start()].removeprefix("Observation:\n"), left, feedback
