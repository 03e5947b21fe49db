"""The forms in which people store the items of benchmarks, for planting copies. They do not use what is indexed."""

import ast
import re
from collections.abc import Callable
from random import Random
from typing import Any

from lemur.benchmark_items import gsm8k, humaneval, mbpp, mmlu, multipl_e
from lemur.decontamination.items import Item

Forms = dict[str, str]
CLAUSE = "as everyone in this class knows"
_EXAMPLE = re.compile(r">>>|for example|examples?\b|e\.g\.", re.IGNORECASE)
_MARKER = re.compile(r"^[ \t]*(?://+|#+(?=[ \t])|--+|;+|/\*|\*/)[ \t]?", re.MULTILINE)
_NAME = re.compile(r"(?<![.\w])[^\W\d]\w*")


def forms(item: Item) -> Forms:
    """{name of a form: the item stored so}; the first is the item's main text."""
    stored = _FORMS[item.schema](item.content)
    return {name: text for name, text in stored.items() if text.strip()}


def with_clause(text: str, generator: Random) -> str:
    """`text` with a clause inserted between two words of its middle third."""
    gaps = [match.start() for match in re.finditer(r"\s+", text)]
    if not gaps:
        return text
    gap = gaps[generator.randint(len(gaps) // 3, 2 * len(gaps) // 3)]
    return f"{text[:gap]}, {CLAUSE},{text[gap:]}"


def renamed(program: str) -> str:
    """A Python program with other names for its functions, parameters and variables; "" if it does not parse."""
    try:
        nodes = list(ast.walk(ast.parse(program)))
    except (SyntaxError, ValueError):
        return ""
    names = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    new = {name: f"{'abcdefgh'[place % 8]}{place}" for place, name in enumerate(sorted(names))}
    return _NAME.sub(lambda match: new.get(match[0], match[0]), program)


def _mmlu(question: mmlu.Question) -> Forms:
    text, choices, answer = question.question, question.choices, question.answer
    options = list(zip(mmlu.LETTERS, choices, strict=True))

    def layout(pattern: str) -> str:
        return "\n".join([text, *(pattern.format(letter, choice) for letter, choice in options)])

    return {
        "A. option": f"{layout('{}. {}')}\nAnswer: {answer}",
        "(A) option": layout("({}) {}"),
        "A) option": f"Question: {layout('{}) {}')}",
        "options without letters": layout("{1}"),
        "question and answer": f"Question: {text}\nAnswer: {choices[mmlu.LETTERS.index(answer)]}",
    }


def _gsm8k(problem: gsm8k.Problem) -> Forms:
    return {
        "question": problem.question,
        "question and solution": f"{problem.question}\n{problem.published}",
        "solution": problem.published,
        "solution without <<...>>": re.sub(r"<<[^>]*>>", "", problem.published),
    }


def _humaneval(problem: humaneval.Problem) -> Forms:
    prompt, solution = problem.prompt, problem.canonical_solution
    quoted = re.search(r'"""(.*?)"""|\'\'\'(.*?)\'\'\'', prompt, re.DOTALL)
    docstring = (quoted[1] or quoted[2]) if quoted else ""
    bare = prompt.replace(quoted[0], "") if quoted else prompt
    return {
        "description": docstring,
        "description without examples": _EXAMPLE.split(docstring)[0],
        "prompt": prompt,
        "solution": solution,
        "signature and solution": bare + solution,
        "renamed solution": renamed(bare + solution),
    }


def _mbpp(problem: mbpp.Problem) -> Forms:
    return {
        "task": problem.text,
        "task and tests": f"{problem.text}\nYour code should pass these tests:\n{problem.tests}",
        "solution": problem.code,
        "renamed solution": renamed(problem.code),
    }


def _multipl_e(problem: multipl_e.Problem) -> Forms:
    lines = problem.prompt.splitlines()
    commented = [line for line in lines if _MARKER.match(line)] or lines
    return {
        "prompt": problem.prompt,
        "comment": _MARKER.sub("", "\n".join(commented)),
        "comment without examples": _EXAMPLE.split(_MARKER.sub("", "\n".join(commented)))[0],
    }


def _question_and_program(question: str, program: str) -> Callable[[Any], Forms]:
    """Forms of an item with these two fields."""

    def of(item: Any) -> Forms:
        text, code = getattr(item, question), getattr(item, program)
        return {"question": text, "program": code, "question and program": f"{text}\n```\n{code}\n```"}

    return of


def _text(field: str) -> Callable[[Any], Forms]:
    return lambda item: {"text": getattr(item, field)}


_FORMS: dict[str, Callable[[Any], Forms]] = {
    "alfworld_game": _text("plan"),
    "bbh": _text("input"),
    "ds1000": _question_and_program("prompt", "reference_code"),
    "gsm8k": _gsm8k,
    "humaneval": _humaneval,
    "intercode": _question_and_program("query", "gold"),
    "intercode_table": _question_and_program("query", "gold"),
    "mbpp": _mbpp,
    "mint": _text("prompt"),
    "mint_example": _text("text"),
    "mint_humaneval": _humaneval,
    "mmlu": _mmlu,
    "multipl_e": _multipl_e,
    "rephrased_code": _text("text"),
    "rephrased_questions": _text("text"),
    "robocodegen": _text("query"),
    "spider": _question_and_program("question", "query"),
    "webarena": _text("intent"),
}
