"""Blocks as one HTML file with its pictures inside: no scripts, no outside addresses."""

import base64
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from lemur.pages.page_parts import Block, anchor, contents

_TEMPLATE = Path(__file__).with_name("page.jinja").read_text(encoding="utf-8")


def html(blocks: list[Block], folder: Path, title: str) -> str:
    """The page; its pictures are read from `folder`."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["base64"] = lambda file: base64.b64encode((folder / file).read_bytes()).decode()
    environment.filters |= {"kind": lambda block: type(block).__name__, "anchor": anchor}
    return environment.from_string(_TEMPLATE).render(title=title, blocks=blocks, contents=contents(blocks))
