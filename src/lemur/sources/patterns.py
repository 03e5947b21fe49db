"""Patterns for sets of files: `*` within a folder, `**` across folders, `{field}` captures a part of the name."""

import re
from collections.abc import Iterable

_TOKEN = re.compile(r"(\*\*/|\*\*|\*|\{[a-z_]+\})")


def is_pattern(path: str) -> bool:
    return bool(_TOKEN.search(path))


def literal_folder(pattern: str) -> str:
    """The part of the pattern before its first wildcard, as a folder ("" for the root)."""
    return _TOKEN.split(pattern)[0].rpartition("/")[0]


def matches(pattern: str, paths: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """The matching paths, sorted, each with its fields. A field that occurs twice must have the same value both times.

    >>> matches("mmlu/{split}/{subject}_{split}.csv", ["mmlu/dev/anatomy_dev.csv", "mmlu/dev/anatomy_test.csv"])
    [('mmlu/dev/anatomy_dev.csv', {'split': 'dev', 'subject': 'anatomy'})]
    """
    expression = ""
    fields: set[str] = set()
    for part in _TOKEN.split(pattern):
        if part == "**/":
            expression += "(?:.*/)?"
        elif part == "**":
            expression += ".*"
        elif part == "*":
            expression += "[^/]*"
        elif _TOKEN.fullmatch(part):
            name = part[1:-1]
            expression += f"(?P={name})" if name in fields else f"(?P<{name}>[^/]+)"
            fields.add(name)
        else:
            expression += re.escape(part)
    compiled = re.compile(expression)
    results = ((path, compiled.fullmatch(path)) for path in sorted(paths))
    return [(path, match.groupdict()) for path, match in results if match]
