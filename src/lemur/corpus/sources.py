"""The corpus's sources: the rows of Table 8, in its order."""

from collections.abc import Mapping
from typing import Literal, TypeVar, get_args

CodeSource = Literal["python", "sql", "java", "shell", "notebook", "javascript", "c", "php", "cpp", "others"]
TextSource = Literal["refinedweb", "wikipedia", "books", "arxiv", "stackexchange", "dm_mathematics"]
Source = Literal[CodeSource, TextSource]
Group = Literal["code", "text"]

CODE: tuple[str, ...] = get_args(CodeSource)
TEXT: tuple[str, ...] = get_args(TextSource)
SOURCES: tuple[str, ...] = CODE + TEXT

_LANGUAGES = {
    "C": "c",
    "C++": "cpp",
    "Java": "java",
    "JavaScript": "javascript",
    "Jupyter Notebook": "notebook",
    "PHP": "php",
    "Python": "python",
    "SQL": "sql",
    "Shell": "shell",
}


Value = TypeVar("Value")


def of_every_source(values: Mapping[Source, Value]) -> Mapping[Source, Value]:
    """`values`, if there is one for every source. Raises `ValueError`."""
    if missing := [source for source in SOURCES if source not in values]:
        raise ValueError(f"there is no entry for {', '.join(missing)}; every source of Table 8 needs one")
    return values


def group(source: str) -> Group:
    return "code" if source in CODE else "text"


def source_of(language: str) -> str:
    """Table 8's row for a language of The Stack."""
    return _LANGUAGES.get(language, "others")
