"""MMLU: the letter or the text of an option (MINT's MultipleChoiceTask)."""

import re
from collections.abc import Mapping

from lemur.agents.scoring.reasoning import TOLERANCE
from lemur.agents.scoring.statement import leading_letter, stated_answer
from lemur.benchmark_items.mint import raw_options
from lemur.evaluation.judging.numbers import same_number

_INTRODUCTION = re.compile(r"\b(?:is|are|was|were)\b:?|:\s")
_NAMED = re.compile(r"\b(?:option|choice)\s*\W?([a-z])\b|(?<![a-z0-9])\(?([a-z])\s*\)")


def paper(prompt: str, reference: str, solution: str) -> bool:
    """The letter anywhere in the answer; else the option's text in the answer, and no other option's.

    Kept faults: only "a)" is looked for as a letter, so "b) 2, as in table c" is right for C, and so is every answer
    whose words contain that letter; an option's text is cut at its first bracket; removing an option from the list that
    is being looped over skips the next one."""
    reference, answer = reference.strip().lower(), solution.lower().strip()
    if "a)" in answer or "a )" in answer:
        answer = "a"
    try:
        if _matches(reference, answer):
            return True
        options = {letter: _cut(text) for letter, text in raw_options(prompt).items()}
        correct = options[reference]
        wrong = list(options.values())
        for text in wrong:
            if text in correct:
                wrong.remove(text)
        if any(_matches(text, answer) for text in wrong):
            return False
        return _matches(correct, answer)
    except ValueError:  # isdigit() holds for "²", which float() refuses; MINT then counts the answer as wrong
        return False


def _matches(wanted: str, answer: str) -> bool:
    if wanted.isdigit() and answer.isdigit():
        return abs(float(wanted) - float(answer)) <= TOLERANCE * float(wanted) or wanted in answer
    return wanted in answer


def _cut(text: str) -> str:
    return text.rstrip("[]' ").split(")")[0].lower().strip(".").strip()


def strict(options: Mapping[str, str], reference: str, solution: str) -> bool:
    """The letter that the answer names, or the exact text of an option."""
    return named_option(options, solution) == reference.strip().lower()


def named_option(options: Mapping[str, str], solution: str) -> str | None:
    """The letter at the start of an answer; else that of the option whose text it is; else the only letter written as
    "option B", "(B)" or "B)". `options`: {letter: text}, in lower case."""
    answer = stated_answer(solution).lower()
    if (letter := leading_letter(answer, options)) is not None:
        return letter
    for part in (answer, _INTRODUCTION.split(answer)[-1].strip()):
        same = [letter for letter, text in options.items() if _plain(text) == _plain(part) or same_number(part, text)]
        if len(same) == 1:
            return same[0]
    named = {letter for match in _NAMED.finditer(answer) for letter in match.groups() if letter in options}
    return named.pop() if len(named) == 1 else None


def _plain(text: str) -> str:
    """Without spaces and the final full stop; brackets and signs tell options apart."""
    return "".join(text.split()).rstrip(".")
