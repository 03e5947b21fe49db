"""TheoremQA: answers of several types (MINT's TheoremqaTask, after TheoremQA's own scripts; Chen et al. 2023)."""

import math
import re
from typing import Any

from lemur.agents.scoring.arithmetic import CHARACTERS, MATH, NotAValue, evaluate
from lemur.agents.scoring.statement import leading_letter, stated_answer
from lemur.benchmark_items.mint import Reference

TOLERANCE = 0.04
"""Of a float, as TheoremQA's authors set it. Both rules have it: references are rounded to a few digits."""
NAMES = {**MATH, **{name.removeprefix("math."): value for name, value in MATH.items()}}
_NUMBER = r"[-+]?(?:[\d,]*\.*\d+)"
_UNITS = (
    rf"({_NUMBER}) [^0-9 ]+$",
    rf"[^0-9 ]+ ({_NUMBER})$",
    rf"({_NUMBER})[^\d]{{1,2}}$",
    r"[^-+\d]{1,2}((?:[\d,]*\.*\d+))$",
)
_GROUPED = re.compile(r"[-+]?(\d{1,3}(,\d{3})*|(\d+))(\.\d+)?$")


def paper(answer_type: str, reference: Reference, solution: str) -> bool:
    """The answer, cleaned by TheoremQA's script and evaluated, compared by type.

    Kept faults: only what follows the last "=" counts; nothing becomes "0", which equals False; True and False are the
    integers 1 and 0; 2.6 is the integer 3; lists are compared sorted; an option becomes "(c)" and its reference is "c",
    so none is ever right (0 of 36 published episodes; later versions of MINT compare with "(c)")."""
    try:
        prediction = _converted(evaluate(cleaned(solution)))
        match answer_type:
            case "bool" | "option":
                return bool(prediction == reference)
            case "integer" | "float":
                return _paper_number(prediction, reference)
            case _:
                return _paper_list(prediction, reference)
    except (NotAValue, TypeError, ValueError, OverflowError, IndexError):
        return False


def cleaned(solution: str) -> str:
    """The answer as MINT hands it to Python's eval."""
    text = solution
    for mark in ("=", "≈"):
        if mark in text:
            text = text.split(mark)[-1].strip()
    for mark in "`$°":
        text = text.replace(mark, "")
    if text in ("true", "yes", "false", "no"):
        text = "True" if text in ("true", "yes") else "False"
    if "True" in text or "False" in text:
        text = "True" if "True" in text else "False"
    if "approximately" in text:
        text = text.replace("approximately", "").strip()
    text = text.split(" or ")[0]
    for pattern in _UNITS:
        if len(text) <= CHARACTERS and (match := re.match(pattern, text)) is not None:
            text = match[1]
    text = re.sub(r"10\^(-?\d+)", r"math.pow(10, \1)", text).replace(" x ", "*").replace(" × ", "*")  # noqa: RUF001
    if _GROUPED.match(text):
        text = text.replace(",", "")
    for letter in "abcd":
        if f"{letter})" in text or f"{letter} )" in text or text.lower().strip() == letter:
            text = f"({letter})"
    if (option := re.search(r"\([a-d]\)", text)) is not None:
        text = f'"{option[0]}"'
    return text or "0"


def _converted(value: Any) -> Any:
    if isinstance(value, set | tuple):
        values = list(value)
        return [part.real for part in values] if isinstance(values[0], complex) else values
    return value.real if isinstance(value, complex) else value


def _paper_number(prediction: Any, reference: Any) -> bool:
    if not isinstance(prediction, int | float):
        return False
    return within_tolerance(prediction, reference) if isinstance(reference, float) else round(prediction) == reference


def _paper_list(prediction: Any, reference: Any) -> bool:
    if not isinstance(prediction, list) or len(prediction) != len(reference):
        return False
    if not all(isinstance(part, int | float) for part in prediction):
        return False
    return all(map(_paper_number, sorted(prediction), sorted(reference)))


def within_tolerance(given: float, wanted: float) -> bool:
    return abs(given - wanted) <= TOLERANCE * abs(wanted)


def strict(answer_type: str, reference: Reference, solution: str, *, ordered: bool = True) -> bool:
    """The answer's value by type: a boolean is one (also yes or no), an integer equals, a float is within 4 %, a list
    has equal members, in the reference's order if that is `ordered`, an option is named by its letter."""
    answer = stated_answer(solution).strip().rstrip(".")
    if answer_type == "bool":
        word = re.match(r"[\W_]*(true|yes|false|no)\b", answer, re.IGNORECASE)
        return word is not None and (word[1].lower() in ("true", "yes")) is reference
    if answer_type == "option":
        return leading_letter(answer, "abcd") == str(reference).strip("() ").lower()
    try:
        value = evaluate(cleaned(answer), NAMES)
    except NotAValue:
        return False
    if isinstance(reference, list):
        given = list(value) if isinstance(value, list | tuple | set) else []
        if not all(map(_is_number, given)) or len(given) != len(reference):
            return False
        pairs = (given, reference) if ordered else (sorted(given), sorted(reference))
        return all(map(_same_number, *pairs))
    return _same_number(value, reference)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _same_number(given: Any, wanted: Any) -> bool:
    if not _is_number(given):
        return False
    try:
        close = math.isclose(given, wanted, rel_tol=1e-9)
        return close or (isinstance(wanted, float) and within_tolerance(given, wanted))
    except OverflowError:  # an integer that no float holds
        return bool(given == wanted)
