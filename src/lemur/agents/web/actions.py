"""Actions in both of WebArena's forms: symbolic, `click [12]`, and Lemur's programming form, `click(12)`.

The programming form is parsed as an abstract syntax tree whose arguments are literals; WebArena's fork evaluates it."""

import ast
import re
from dataclasses import dataclass
from typing import Literal

Form = Literal["symbolic", "programming"]

ELEMENT = ("click", "hover", "type")
"""Actions on an element of the page."""
_PARAMETERS: dict[str, dict[str, type]] = {
    "click": {"id": int},
    "type": {"id": int, "content": str, "press_enter_after": bool},
    "hover": {"id": int},
    "press": {"key_comb": str},
    "scroll": {"direction": str},
    "new_tab": {},
    "tab_focus": {"tab_index": int},
    "close_tab": {},
    "goto": {"url": str},
    "go_back": {},
    "go_forward": {},
    "stop": {"answer": str},
}
_SYMBOLIC = {
    "click": r"click ?\[(\d+)\]",
    "hover": r"hover ?\[(\d+)\]",
    "type": r"type ?\[(\d+)\] ?\[(.+)\] ?\[(\d+)\]",
    "press": r"press ?\[(.+)\]",
    "scroll": r"scroll ?\[?(up|down)\]?",
    "goto": r"goto ?\[(.+)\]",
    "tab_focus": r"tab_focus ?\[(\d+)\]",
}


@dataclass(frozen=True)
class WebAction:
    """`name`: click, type, hover, press, scroll, new_tab, tab_focus, close_tab, goto, go_back, go_forward or stop.
    `element`: the id in the observation; `text`: what to type or answer, keys, a direction or an address."""

    name: str
    element: int | None = None
    text: str = ""
    enter: bool = False
    tab: int = 0

    def symbolic(self, node: str = "") -> str:
        """As WebArena shows it as the previous action; `node`: what the element was, without its id."""
        where = f" where [{self.element}] is {node}" if node else ""
        match self.name:
            case "click" | "hover":
                return f"{self.name} [{self.element}]{where}"
            case "type":
                return f"type [{self.element}] [{self.text}]{where}" if node else self._typed()
            case "tab_focus":
                return f"tab_focus [{self.tab}]"
            case "press" | "scroll" | "goto" | "stop":
                return f"{self.name} [{self.text}]"
        return self.name

    def _typed(self) -> str:
        return f"type [{self.element}] [{self.text}] [{int(self.enter)}]"

    def call(self) -> str:
        """In the programming form."""
        match self.name:
            case "click" | "hover":
                return f"{self.name}({self.element})"
            case "type":
                return f"type({self.element}, {self.text!r}, {self.enter})"
            case "tab_focus":
                return f"tab_focus({self.tab})"
            case "press" | "scroll" | "goto" | "stop":
                return f"{self.name}({self.text!r})"
        return f"{self.name}()"


def read_action(answer: str, form: Form) -> WebAction | None:
    """The action between the first pair of triple backticks of the model's message, or `None`."""
    match = re.search(r"```((?:.|\n)*?)```", answer)
    if match is None:
        return None
    text = match[1].strip()
    return parse_symbolic(text) if form == "symbolic" else parse_programming(text)


def parse_symbolic(text: str) -> WebAction | None:
    """WebArena's reading: text before and after the arguments is ignored, `type` presses Enter unless [0] ends it, and
    `stop` without an answer answers the empty text."""
    text = text.strip()
    name = text.partition("[")[0].strip() if "[" in text else (text.split() or [""])[0]
    if name in ("new_tab", "close_tab", "go_back", "go_forward"):
        return WebAction(name)
    if name == "stop":
        answer = re.search(r"stop ?\[(.+)\]", text)
        return WebAction(name, text=answer[1] if answer else "")
    if name == "type" and not text.endswith(("[0]", "[1]")):
        text += " [1]"
    match = re.search(_SYMBOLIC[name], text) if name in _SYMBOLIC else None
    if name.startswith("scroll") and match is None:
        match = re.search(_SYMBOLIC["scroll"], text)
        name = "scroll"
    if match is None:
        return None
    if name in ELEMENT:
        content = match[2] if name == "type" else ""
        return WebAction(name, int(match[1]), content, name == "type" and match[3] == "1")
    return WebAction(name, tab=int(match[1])) if name == "tab_focus" else WebAction(name, text=match[1])


def parse_programming(text: str) -> WebAction | None:
    """One call with literals. `stop` with anything else answers the empty text, as in WebArena's fork."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # the last two: brackets nested very deep
        return WebAction("stop") if text.strip().startswith("stop") else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in _PARAMETERS:
        return None
    name = call.func.id
    arguments = _arguments(call, _PARAMETERS[name])
    if arguments is None:
        return WebAction("stop") if name == "stop" else None
    if name == "scroll" and arguments["direction"] not in ("up", "down"):
        return None
    if name in ELEMENT:
        return WebAction(
            name, arguments["id"], arguments.get("content", ""), name == "type" and arguments["press_enter_after"]
        )
    if name == "tab_focus":
        return WebAction(name, tab=arguments["tab_index"])
    return WebAction(name, text=next(iter(arguments.values()), ""))


def _arguments(call: ast.Call, parameters: dict[str, type]) -> dict | None:
    """The arguments by name, or `None` if they are not literals of the right types, too few or too many."""
    names = list(parameters)
    if len(call.args) > len(names):
        return None
    given: dict[str, ast.expr] = dict(zip(names, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in given or keyword.arg not in parameters:
            return None
        given[keyword.arg] = keyword.value
    values: dict = {"press_enter_after": True} if "press_enter_after" in parameters else {}
    for name, node in given.items():
        if not isinstance(node, ast.Constant):
            return None
        value = bool(node.value) if parameters[name] is bool and node.value in (0, 1) else node.value
        if type(value) is not parameters[name] or (isinstance(value, int) and value < 0):
            return None
        values[name] = value
    return values if set(values) == set(names) else None
