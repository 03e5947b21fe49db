"""A page as WebArena showed it in October 2023: the accessibility tree of what the window shows, a line a node."""

import re
from dataclasses import dataclass, field
from typing import Any

HIDDEN_PROPERTIES = frozenset(("focusable", "editable", "readonly", "level", "settable", "multiline", "invalid", "url"))
"""WebArena's own, and `url`, which Chromium has added since."""
OLD_ROLES = {"image": "img"}
"""Roles that Chromium has renamed since 2023."""
CONTAINERS = frozenset(
    (
        "generic",
        "img",
        "list",
        "strong",
        "paragraph",
        "banner",
        "navigation",
        "Section",
        "LabelText",
        "Legend",
        "listitem",
    )
)
"""Roles that are left out without a name and properties."""
LEAST_SHARE = 0.6

Box = tuple[float, float, float, float]
"""Left, top, width, height in the window, in pixels."""


@dataclass
class Numbers:
    """The ids of an episode's elements: each keeps its number while its page stays loaded, and no number is used twice.

    WebArena shows Chromium's own ids, which differ from run to run."""

    _numbers: dict[tuple[str, int, str], int] = field(default_factory=dict)

    def of(self, document: str, element: int, role: str) -> int:
        return self._numbers.setdefault((document, element, role), len(self._numbers) + 1)


@dataclass(frozen=True)
class Element:
    """`text`: role, name and properties; `box`: where it is."""

    text: str
    box: Box


def tree(
    nodes: list[dict[str, Any]], boxes: dict[int, Box], window: tuple[int, int], document: str, numbers: Numbers
) -> tuple[str, dict[int, Element]]:
    """The text of the tree, and its elements by number.

    `nodes`: Accessibility.getFullAXTree; `boxes`: by backend node id; `document`: id of the loaded page."""
    by_id: dict[str, dict[str, Any]] = {}
    for node in nodes:
        by_id.setdefault(node["nodeId"], node)
    elements: dict[int, Element] = {}
    lines: list[str] = []

    def visit(node: dict[str, Any], depth: int) -> None:
        text = _text(node) if _visible(node, boxes, window) else None
        if text is not None:
            role, rest = text
            element = node["backendDOMNodeId"]
            number = numbers.of(document, element, role)
            elements[number] = Element(f"{role} {rest}", boxes.get(element, (0, 0, 10, 10)))
            lines.append("\t" * depth + f"[{number}] {role} {rest}")
        for child in node.get("childIds", []):
            if child in by_id:
                visit(by_id[child], depth + (text is not None))

    if nodes:
        visit(nodes[0], 0)
    return "\n".join(_without_repeats("\n".join(lines).split("\n"))), elements


def _visible(node: dict[str, Any], boxes: dict[int, Box], window: tuple[int, int]) -> bool:
    if node.get("role", {}).get("value") == "RootWebArea":
        return True
    box = boxes.get(node.get("backendDOMNodeId", -1))
    if box is None or not box[2] or not box[3]:
        return False
    left, top, width, height = box
    across = max(0.0, min(left + width, window[0]) - max(left, 0.0))
    down = max(0.0, min(top + height, window[1]) - max(top, 0.0))
    # WebArena's formula as it stands: a product where the share of the area was meant.
    return across * down / width * height >= LEAST_SHARE


def _text(node: dict[str, Any]) -> tuple[str, str] | None:
    """Role, then name with properties; `None` for a node that is not shown."""
    if "name" not in node or "backendDOMNodeId" not in node or node.get("ignored"):
        return None
    role = OLD_ROLES.get(node["role"]["value"], node["role"]["value"])
    name = node["name"].get("value", "")
    properties = [
        f"{each['name']}: {each['value']['value']}"
        for each in node.get("properties", [])
        if each["name"] not in HIDDEN_PROPERTIES and "value" in each.get("value", {})
    ]
    if not name.strip() and ((role in CONTAINERS and not properties) or role == "listitem"):
        return None
    if role == "InlineTextBox":
        return None
    return role, " ".join([repr(name), *properties])


def _without_repeats(lines: list[str]) -> list[str]:
    """Without texts that one of the three lines before them already has."""
    kept: list[str] = []
    for line in lines:
        text = re.search(r"\[\d+\] StaticText (.+)", line)
        if "statictext" not in line.lower() or (
            text is not None and (words := text[1][1:-1]) and all(words not in before for before in kept[-3:])
        ):
            kept.append(line)
    return kept


def boxes(snapshot: dict[str, Any]) -> dict[int, Box]:
    """Where the nodes of a page are, by backend node id, from DOMSnapshot.captureSnapshot."""
    found: dict[int, Box] = {}
    for document in snapshot["documents"][:1]:
        ids = document["nodes"]["backendNodeId"]
        left, top = document.get("scrollOffsetX", 0), document.get("scrollOffsetY", 0)
        layout = document["layout"]
        for index, (x, y, width, height) in zip(layout["nodeIndex"], layout["bounds"], strict=True):
            found.setdefault(ids[index], (x - left, y - top, width, height))
    return found
