"""The answer in a proposal, without the phrase that introduces it."""

import re
from collections.abc import Collection

_ANSWER_IS = re.compile(r"\banswer(?:\s+to\b[^.!?\n]*?)?\s*(?:\bis\b|:)(?:\s*:)?(?!\s*$)", re.IGNORECASE)
_ECHO = "` tag, for example:"  # models that go on after their answer repeat the example in MINT's instructions
_ANOTHER_LETTER = re.compile(r"(?:[,;\n]|\band\b|\bor\b)\s*\(?([a-z])\s*\)", re.IGNORECASE)
_LEADING_LETTER = re.compile(
    r"\W*(?:(?:option|choice|answer)\W*)?\b([a-z])\b(?:\s*[).:\]*\u2013-]|,(?!\s*(?:and\b)?\s*[a-z]\b)|\W*$)",
    re.IGNORECASE,
)


def leading_letter(answer: str, letters: Collection[str]) -> str | None:
    """The one of `letters` that begins an answer such as "B", "(b) 120" or "Option B: 120"; `None` where another one
    follows, as in "b) 120, d) 20"."""
    match = _LEADING_LETTER.match(answer)
    if match is None or match[1].lower() not in letters:
        return None
    letter = match[1].lower()
    others = {other.lower() for other in _ANOTHER_LETTER.findall(answer, match.end())}
    return letter if others.intersection(letters) <= {letter} else None


def stated_answer(solution: str) -> str:
    """What follows a second <solution> tag, or "answer is". A text that was repeated line by line counts once."""
    text = solution.partition(_ECHO)[0].rpartition("<solution>")[2]
    lines = dict.fromkeys(line.strip() for line in text.splitlines() if line.strip())
    text = "\n".join(lines)
    match = _ANSWER_IS.search(text)
    return text[match.end() :].strip() if match is not None else text
