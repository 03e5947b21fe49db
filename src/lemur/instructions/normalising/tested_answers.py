"""Turn answers that contain Python and tests, as doctests or asserts, into programs for the sandbox."""

import ast
import re
from collections.abc import Iterator, Sequence
from doctest import DocTestParser
from typing import TypeGuard

from lemur.core.records import Record

_FENCE = re.compile(r"^```[ \t]*(\w*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_PYTHON = {"", "py", "python", "python3"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DOCTESTS = """
def _lemur_examples(text):
    import doctest
    test = doctest.DocTestParser().get_doctest(text, dict(globals()), "examples", None, 0)
    results = doctest.DocTestRunner(verbose=False).run(test, out=lambda line: None)
    if results.failed or not results.attempted:
        raise AssertionError(f"{results.failed} of {results.attempted} examples failed")


_lemur_examples(EXAMPLES)
"""


def program_with_tests(record: Record) -> str | None:
    """A program that passes if the last answer's Python passes its tests; None if there is no Python or no test.

    Tests are doctests with an expected value, and asserts: in the answer at module level or in a function `test...`
    without arguments, or on a line of the question. Only tests that use the answer's own functions or classes count.
    """
    question, answer = (message["content"] for message in record["messages"][-2:])
    blocks = _FENCE.findall(answer) if "```" in answer else [("", answer)]
    texts = [text for tag, text in blocks if tag.lower() in _PYTHON]
    code = "\n\n".join(text.strip("\n") for text in texts if _parse(text))
    module = _parse(code)
    if module is None:
        return None
    tested = {node.name for node in module.body if isinstance(node, _DEFINITIONS) and not _is_test(node)}
    calls = [f"{node.name}()" for node in module.body if _is_test(node) and _asserts([node], tested)]
    asserts = [line for line in map(str.strip, question.splitlines()) if line.startswith("assert")]
    asserts = [line for line in asserts if (parsed := _parse(line)) and _asserts(parsed.body, tested)]
    # Remove closing quotes, which would become part of an expected value.
    unquoted = question.replace('"""', "\n").replace("'''", "\n")
    examples = _examples([*_docstrings(module), *(text for text in texts if not _parse(text)), unquoted], tested)
    statements = [node for node in module.body if not isinstance(node, _DEFINITIONS)]
    if not (calls or asserts or examples or _asserts(statements, tested)):
        return None
    program = "\n\n".join([code, *asserts, *calls]) + "\n"
    return program + _DOCTESTS.replace("EXAMPLES", repr(examples)) if examples else program


def _parse(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_test(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test"):
        return False
    return len(node.args.posonlyargs + node.args.args) == len(node.args.defaults) and not node.args.kwonlyargs


def _asserts(nodes: Sequence[ast.stmt], tested: set[str]) -> bool:
    """Whether these statements contain an assert and use a tested name."""
    descendants = [child for node in nodes for child in ast.walk(node)]
    names = {node.id for node in descendants if isinstance(node, ast.Name)}
    return bool(names & tested) and any(isinstance(node, ast.Assert) for node in descendants)


def _docstrings(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            yield ast.get_docstring(node) or ""


def _examples(texts: list[str], tested: set[str]) -> str:
    """The doctest examples in `texts` as one session; empty unless one expects a value and uses a tested name."""
    session, usable = [], False
    for text in texts:
        try:
            examples = DocTestParser().get_examples(text) if ">>>" in text else []
        except ValueError:  # no blank after >>>, or wrong indentation
            continue
        for example in examples:
            body = _parse(example.source)
            names = {node.id for node in ast.walk(body) if isinstance(node, ast.Name)} if body else set()
            usable |= bool(example.want and names & tested)
            first, *rest = example.source.rstrip("\n").split("\n")
            session += [f">>> {first}", *(f"... {line}" for line in rest), example.want.rstrip("\n")]
    return "\n".join(line for line in session if line) + "\n" if usable else ""
