"""The PDDL problem of a game: things with their types and names, the facts at the start, and the goal."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Fact = tuple[str, ...]
"""(predicate, argument, ...), in lower case, such as ("inreceptacle", "mug_bar_1", "shelf_bar_2")."""
Facts = dict[str, set[Fact]]
"""Facts by predicate."""
Expression = str | list[Any]
"""What stands between two parentheses: words and lists of them."""

_TOKEN = re.compile(r"[()]|[^\s()]+")
_MAX_DEPTH = 100


@dataclass(frozen=True)
class Problem:
    facts: Facts
    goal: list[Any]
    names: Mapping[str, str]
    """The name that texts use, such as "shelf 2", of each thing that a fact mentions."""


def read_problem(text: str) -> Problem:
    """Raises `ValueError` if `text` is not a problem in PDDL or names two things alike."""
    sections = {section[0]: section[1:] for section in parse(text)[1:] if isinstance(section, list) and section}
    if not sections.get(":init") or not sections.get(":goal"):
        raise ValueError("the problem has no (:init ...) or no (:goal ...)")
    facts: Facts = {}
    for fact in sections[":init"]:
        # (= (total-cost) 0) and distances are for planners.
        if isinstance(fact, list) and all(isinstance(word, str) for word in fact):
            facts.setdefault(fact[0], set()).add(tuple(fact))
    names = _names(sorted({argument for known in facts.values() for fact in known for argument in fact[1:]}))
    if len(set(names.values())) < len(names):
        raise ValueError("the problem has two things with the same name")
    return Problem(facts, sections[":goal"][0], names)


def parse(text: str) -> list[Any]:
    """The list that a text in parentheses stands for, in lower case. `;` starts a comment."""
    stack: list[list[Any]] = [[]]
    for token in _TOKEN.findall(re.sub(r";.*", "", text).lower()):
        if token == "(" and len(stack) < _MAX_DEPTH:
            stack.append([])
        elif token == ")" and len(stack) > 1:
            done = stack.pop()
            stack[-1].append(done)
        elif token in "()":
            raise ValueError("the problem's parentheses do not match, or are nested too deep")
        else:
            stack[-1].append(token)
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise ValueError("the problem's parentheses do not match")
    expression: list[Any] = stack[0][0]
    return expression


def _names(ids: list[str]) -> dict[str, str]:
    """ALFWorld's names without shuffling: a kind and a number, counted down in the order of the ids
    (alfworld/agents/utils/misc.py, Demangler). Things without a position have their id as name."""
    kinds = {each: _kind(each) for each in ids if "_bar_" in each}
    left = Counter(kinds.values())
    names = {each: each for each in ids}
    for each, kind in kinds.items():
        names[each] = f"{kind} {left[kind]}"
        left[kind] -= 1
    return names


def _kind(each: str) -> str:
    kind = each.split("_bar_", 1)[0]
    return f"{kind}basin" if "basin" in each else kind


def holds(condition: Expression, facts: Facts) -> bool:
    """Whether a goal is reached. Raises `ValueError` for what ALFWorld's goals do not have."""
    return next(_solutions([condition], facts, {}), None) is not None


Values = dict[str, str]


def _solutions(conditions: list[Any], facts: Facts, values: Values) -> Iterator[Values]:
    """Values of the variables for which all conditions hold."""
    if not conditions:
        yield values
        return
    # A negation binds nothing, so it comes last.
    first = next((condition for condition in conditions if condition[0] != "not"), conditions[0])
    rest = [condition for condition in conditions if condition is not first]
    match first:
        case ["and", *parts]:
            yield from _solutions([*parts, *rest], facts, values)
        case ["or", *parts]:
            for part in parts:
                yield from _solutions([part, *rest], facts, values)
        case ["exists", [*_], part]:
            yield from _solutions([part, *rest], facts, values)
        case ["not", ["=", left, right]]:
            if values.get(left, left) != values.get(right, right):
                yield from _solutions(rest, facts, values)
        case ["not", part]:
            if next(_solutions([part], facts, values), None) is None:
                yield from _solutions(rest, facts, values)
        case [str(predicate), *arguments] if all(isinstance(argument, str) for argument in arguments):
            for fact in facts.get(predicate, ()):
                if (matched := _match(arguments, fact, values)) is not None:
                    yield from _solutions(rest, facts, matched)
        case _:
            raise ValueError(f"{first!r:.80} is not a condition that ALFWorld's goals use")


def _match(arguments: list[str], fact: Fact, values: Values) -> Values | None:
    matched = dict(values)
    for argument, value in zip(arguments, fact[1:], strict=True):
        known = matched.setdefault(argument, value) if argument.startswith("?") else argument
        if known != value:
            return None
    return matched
