"""The prose in programs and tasks: comments by language, and descriptions without their examples."""

import re

_PATTERNS = {
    kind: re.compile(pattern, re.DOTALL | re.MULTILINE)
    for kind, pattern in {
        "#": r'"""(.*?)"""|\'\'\'(.*?)\'\'\'|(?:^|(?<=\s))#(?!!)([^\n]*)',
        "//": r"/\*(.*?)\*/|//+([^\n]*)",
        "--": r"--\[\[(.*?)\]\]|--+([^\n]*)",
        ";": r"#\|(.*?)\|#|(?:^|(?<=\s));+([^\n]*)",
        "any": r'"""(.*?)"""|\'\'\'(.*?)\'\'\'|/\*(.*?)\*/|(?://|#(?!include|define))([^\n]*)',
    }.items()
}
KINDS = {
    **dict.fromkeys(("cpp", "cs", "d", "go", "java", "js", "php", "rs", "scala", "swift", "ts"), "//"),
    **dict.fromkeys(("jl", "pl", "python", "r", "rb", "sh"), "#"),
    "lua": "--",
    "rkt": ";",
}
"""Kind of comments of MultiPL-E's languages."""


def split_comments(code: str, kind: str = "any") -> tuple[str, str]:
    """(comments, code without them). Kind `any`: Python or a language of C's family."""
    pattern = _PATTERNS[kind]
    comments = ["".join(groups) for groups in pattern.findall(code)]
    return "\n".join(comments), pattern.sub("", code)


_EXAMPLE = re.compile(
    r"\s*(?:>>>"
    r"|(?:for |some )?examples?\b"
    r"|e\.?g\b"
    r"|(?:for |assert )?[\w.]+\(.*\)\W*(?:[=:>\u279e\u27a1]|should|returns?\b)"
    r"|\[(?:input|output)"
    r"|input\s*:|output\s*:)",
    re.IGNORECASE,
)


def descriptions(text: str) -> list[str]:
    """`text` up to its first example, and all of it without the lines of examples; [] where it has none.

    A doctest goes with its result, so with all lines up to an empty one.
    """
    lines = text.splitlines()
    examples = [bool(_EXAMPLE.match(line)) for line in lines]
    if not any(examples):
        return []
    first = examples.index(True)
    rest: list[str] = []
    within = False
    for line, example in zip(lines, examples, strict=True):
        within = bool(line.strip()) and (example or within)
        if not within:
            rest.append(line)
    texts = ["\n".join(lines[:first]), "\n".join(rest)]
    return list(dict.fromkeys(text for text in texts if text.strip()))
