"""GSM8K, MATH and HotpotQA: answers in numbers and words (MINT's ReasoningTask)."""

import re
from decimal import Decimal, InvalidOperation

from lemur.agents.scoring.statement import stated_answer
from lemur.evaluation.judging.numbers import numbers_in, stated_number

TOLERANCE = 0.05
NOISE = Decimal("1e-9")
"""Relative error of an answer that a program printed: 3.0000000000000004 is 3."""
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_COPULA = re.compile(r"\b(?:is|was|are|were)\b|=")


def paper(reference: str, solution: str) -> bool:
    """Numbers within 5 % of the reference; of other text, the reference anywhere in the answer.

    Kept faults: the tolerance; its bound is negative for a negative reference, which no number can then match; "6" is
    found in "16 miles"."""
    reference, answer = reference.strip().lower(), solution.lower().strip()
    wanted, given = as_float(reference), as_float(answer)
    if wanted is None or given is None:
        return reference in answer
    return abs(wanted - given) <= TOLERANCE * wanted


def as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def strict_number(reference: str, solution: str) -> bool:
    """The answer's number equals the reference; a reference in words is compared as words."""
    try:
        wanted = Decimal(reference.strip())
    except InvalidOperation:
        return strict_words(reference, solution)
    number = single_number(solution)
    return number is not None and abs(Decimal(number) - wanted) <= NOISE * max(abs(wanted), Decimal(1))


def single_number(solution: str) -> str | None:
    """The number after "answer is" or in a box; else the only number in the text; else the only one after its last "="
    or "is". `None` for an answer with several numbers that does not say which one it means."""
    if (number := stated_number(solution)) is not None:
        return number
    text = stated_answer(solution)
    for part in (text, _COPULA.split(text)[-1] if text.count("=") < 2 else ""):
        values = {Decimal(value): value for value in numbers_in(part)}
        if len(values) == 1:
            return next(iter(values.values()))
    return None


def strict_words(reference: str, solution: str) -> bool:
    """The whole answer equals the reference, as SQuAD's exact match compares them; yes or no may be followed by a
    reason."""
    answer, wanted = normalise(stated_answer(solution)), normalise(reference)
    if wanted in ("yes", "no"):
        return answer.split(" ")[0] == wanted
    return answer == wanted


def normalise(text: str) -> str:
    """Without case, punctuation, articles and extra spaces (Rajpurkar et al. 2016)."""
    words = "".join(character for character in text.lower() if character.isalnum() or character.isspace())
    return " ".join(_ARTICLES.sub(" ", words).split())
