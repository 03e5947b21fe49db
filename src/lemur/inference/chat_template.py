"""The chat template of a model folder, found and rendered as `transformers` does, but always with the same date."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lemur.core.files import read_text
from lemur.core.records import read_json

NOW = datetime(2024, 7, 26)
"""The date that `strftime_now` returns: the one that Llama 3's templates hard-code where the function is missing."""


class ChatTemplate:
    """A template and the file that holds it. `tokens`: name to text of the special tokens."""

    def __init__(self, text: str, path: Path, tokens: dict[str, str]) -> None:
        if not text.strip():
            raise ValueError(f"{path}: the chat template is empty; remove it, or write one as `transformers` reads it")
        self.text, self.path, self.tokens = text, path, tokens

    def render(self, messages: Sequence[dict[str, Any]], *, add_generation_prompt: bool = True) -> str:
        """The conversation's text. Raises `ValueError` if the template has a mistake or refuses the conversation."""
        present = [{key: value for key, value in message.items() if value is not None} for message in messages]
        template = self._compiled
        try:
            return template.render(
                messages=present,
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self.tokens,
            )
        except _RefusedError as error:
            roles = [str(message.get("role")) for message in present]
            hint = "; put the system turn's text into the first question" if "system" in roles else ""
            raise ValueError(
                f"{self.path}: the chat template refuses turns of the roles {', '.join(roles)}: {error}{hint}"
            ) from None
        except Exception as error:  # the template is a foreign program and may raise anything
            raise ValueError(f"{self.path}: the chat template fails: {type(error).__name__}: {error}") from error

    @cached_property
    def _compiled(self) -> Template:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_raise_exception, strftime_now=NOW.strftime)
        try:
            return environment.from_string(self.text)
        except TemplateSyntaxError as error:
            raise ValueError(
                f"{self.path}: line {error.lineno} of the chat template: {error.message}; Jinja2 with loop controls "
                "and `generation` is allowed"
            ) from None
        except (SyntaxError, RecursionError) as error:  # such as {% break %} outside of a loop
            raise ValueError(f"{self.path}: the chat template does not compile: {error}") from None


def find_chat_template(folder: Path, tokens: dict[str, str]) -> ChatTemplate | None:
    """The folder's default template; None if it has no template at all. `tokens`: name to text of its special tokens.

    Looks into `chat_template.jinja` and `additional_chat_templates/`, else `tokenizer_config.json`, else
    `chat_template.json`. Raises `ValueError` for any other shape: a wrongly formatted prompt would silently cost a
    chat model its score."""
    default = folder / "chat_template.jinja"
    files = {path.stem: path for path in sorted((folder / "additional_chat_templates").glob("*.jinja"))}
    if default.is_file():
        files["default"] = default
    if "default" in files:
        path, templates = files["default"], {"default": read_text(files["default"])}
    else:
        for path in (folder / "tokenizer_config.json", folder / "chat_template.json"):
            templates = _named(read_json(path), path) if path.is_file() else {}
            if templates:
                break
    if not templates and not files:
        return None
    if "default" not in templates:
        names = sorted({*templates, *files})
        raise ValueError(f"{path}: none of the chat templates {names} is named `default`; name the one to use so")
    return ChatTemplate(templates["default"], path, tokens)


def _named(config: Any, path: Path) -> dict[str, str]:
    """Name to text of the templates in a JSON file."""
    value = config.get("chat_template") if isinstance(config, dict) else None
    if value is None:
        return {}
    if isinstance(value, str):
        return {"default": value}
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        pairs = [(entry.get("name"), entry.get("template")) for entry in value]
    else:
        pairs = list(value.items()) if isinstance(value, dict) else []
    if not pairs or not all(isinstance(part, str) for pair in pairs for part in pair):
        raise ValueError(
            f"{path}: chat_template is {json.dumps(value)[:80]}; a string, or a list of objects with the strings "
            "`name` and `template`, one of them named `default`, is allowed"
        )
    return dict(pairs)


class _Generation(Extension):
    """`{% generation %}` marks the assistant's words for training masks; like a macro, it has variables of its own."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller: Macro) -> str:
        return caller()


class _RefusedError(TemplateError):
    """The template called `raise_exception`."""


def _raise_exception(message: str) -> None:
    raise _RefusedError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja2's own filter escapes the characters of HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
