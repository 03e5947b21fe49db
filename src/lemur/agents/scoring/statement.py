"""The answer in a proposal, without the phrase that introduces it."""

import re

_ANSWER_IS = re.compile(r"\banswer(?:\s+to\b[^.!?\n]*?)?\s*(?:\bis\b|:)(?:\s*:)?(?!\s*$)", re.IGNORECASE)
_ECHO = "` tag, for example:"  # models that go on after their answer repeat the example in MINT's instructions


def stated_answer(solution: str) -> str:
    """What follows a second <solution> tag, or "answer is". A text that was repeated line by line counts once."""
    text = solution.partition(_ECHO)[0].rpartition("<solution>")[2]
    lines = dict.fromkeys(line.strip() for line in text.splitlines() if line.strip())
    text = "\n".join(lines)
    match = _ANSWER_IS.search(text)
    return text[match.end() :].strip() if match is not None else text
