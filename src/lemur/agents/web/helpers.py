"""The `func:` expressions of task files: a call of one of five names with texts, never evaluated."""

import ast
from dataclasses import dataclass
from urllib.parse import urlsplit

HELPERS = {
    "reddit_get_post_url": 1,
    "shopping_get_latest_order_url": 0,
    "shopping_get_sku_latest_review_author": 1,
    "shopping_get_sku_latest_review_rating": 1,
    "gitlab_get_project_memeber_role": 2,
}
"""Name, spelled as in WebArena -> number of its arguments."""
PAGE = "__page__"


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple[str, ...]


def parse_helper(text: str) -> Call:
    """The call in `func:NAME(ARGUMENTS)`. Raises `ValueError` for anything but a helper with texts or `__page__`."""
    allowed = f"allowed are {', '.join(sorted(HELPERS))}, with texts or {PAGE}"
    try:
        node = ast.parse(text.removeprefix("func:").strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(f"{text!r} is no call; {allowed}") from None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
        raise ValueError(f"{text!r} is no call of a name; {allowed}")
    if node.func.id not in HELPERS or len(node.args) != HELPERS[node.func.id]:
        raise ValueError(f"{text!r} is not among the helpers; {allowed}")
    return Call(node.func.id, tuple(_argument(argument, text, allowed) for argument in node.args))


def _argument(node: ast.expr, text: str, allowed: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name) and node.id == PAGE:
        return PAGE
    raise ValueError(f"{text!r}: an argument is neither a text nor {PAGE}; {allowed}")


def post_url(url: str) -> str:
    """The address of a forum's post without its title and comment: /f/FORUM/NUMBER/; another address as it is."""
    parts = urlsplit(url)
    path = parts.path.split("/")
    if len(path) < 4 or path[1] != "f":
        return url
    return f"{parts.scheme}://{parts.netloc}/f/{path[2]}/{path[3]}/"
