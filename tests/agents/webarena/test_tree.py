"""The text of a page: what is left out, what an element's number is."""

from typing import Any

from lemur.agents.web.inside.tree import Numbers, boxes, tree

WINDOW = (1280, 720)


def node(number: int, role: str, name: str, children: tuple[int, ...] = (), **properties: object) -> dict[str, Any]:
    return {
        "nodeId": str(number),
        "backendDOMNodeId": number,
        "role": {"value": role},
        "name": {"value": name},
        "childIds": [str(child) for child in children],
        "properties": [{"name": key, "value": {"value": value}} for key, value in properties.items()],
    }


NODES = [
    node(10, "RootWebArea", "Shop", (11, 12, 14, 16, 17), focused=True, url="http://x"),
    node(11, "link", "Home", (15,), focusable=True, url="http://x/"),
    node(12, "generic", "", (13,)),
    node(13, "textbox", "Search", required=False, editable="plaintext"),
    node(14, "image", "", ()),
    node(15, "StaticText", "Home"),
    node(16, "StaticText", "far below"),
    {**node(17, "button", "Buy"), "ignored": True},
]
BOXES = {number: (0.0, 0.0, 100.0, 20.0) for number in range(10, 18)} | {16: (0.0, 900.0, 100.0, 20.0)}


def test_a_page_as_text() -> None:
    text, elements = tree(NODES, BOXES, WINDOW, "page", Numbers())
    assert text == "[1] RootWebArea 'Shop' focused: True\n\t[2] link 'Home'\n\t[4] textbox 'Search' required: False"
    assert elements[2].text == "link 'Home'" and elements[2].box == (0.0, 0.0, 100.0, 20.0)


def test_numbers_last_as_long_as_the_page() -> None:
    numbers = Numbers()
    first, _ = tree(NODES, BOXES, WINDOW, "page", numbers)
    assert tree(NODES, BOXES, WINDOW, "page", numbers)[0] == first
    scrolled = BOXES | {16: (0.0, 300.0, 100.0, 20.0)}
    assert "[4] textbox" in tree(NODES, scrolled, WINDOW, "page", numbers)[0]
    assert "[6] RootWebArea" in tree(NODES, BOXES, WINDOW, "another", numbers)[0]


def test_boxes_are_where_the_window_shows_them() -> None:
    document = {
        "nodes": {"backendNodeId": [7, 8]},
        "layout": {"nodeIndex": [0, 1], "bounds": [[0, 0, 1280, 2000], [10, 800, 50, 20]]},
        "scrollOffsetX": 0,
        "scrollOffsetY": 720,
    }
    assert boxes({"documents": [document]}) == {7: (0, -720, 1280, 2000), 8: (10, 80, 50, 20)}
