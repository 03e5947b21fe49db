"""Both forms of actions, as the model writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.agents.web.actions import WebAction, parse_programming, parse_symbolic, read_action

WORDS = (
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n\r"), min_size=1)
    .map(str.strip)
    .filter(bool)
)
PLAIN = WORDS.filter(lambda text: not set(text) & set("[]"))


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("click [12]", WebAction("click", 12)),
        ("click[12]", WebAction("click", 12)),
        ("type [164] [restaurants near CMU] [1]", WebAction("type", 164, "restaurants near CMU", True)),
        ("type [5] [a] [0]", WebAction("type", 5, "a", False)),
        ("type [5] [a]", WebAction("type", 5, "a", True)),
        ("type [5] [see [2]] [0]", WebAction("type", 5, "see [2]", False)),
        ("hover [3]", WebAction("hover", 3)),
        ("press [Control+a]", WebAction("press", text="Control+a")),
        ("scroll [down]", WebAction("scroll", text="down")),
        ("scroll up", WebAction("scroll", text="up")),
        ("new_tab", WebAction("new_tab")),
        ("tab_focus [1]", WebAction("tab_focus", tab=1)),
        ("close_tab", WebAction("close_tab")),
        ("goto [http://gitlab.com]", WebAction("goto", text="http://gitlab.com")),
        ("go_back", WebAction("go_back")),
        ("go_forward", WebAction("go_forward")),
        ("stop [$279.49]", WebAction("stop", text="$279.49")),
        ("stop", WebAction("stop")),
        ("stop []", WebAction("stop")),
        ("click [button]", None),
        ("click", None),
        ("jump [3]", None),
        ("", None),
    ],
)
def test_the_symbolic_form(text: str, action: WebAction | None) -> None:
    assert parse_symbolic(text) == action


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("click(1234)", WebAction("click", 1234)),
        ("click(id=1234)", WebAction("click", 1234)),
        ("type(164, 'restaurants near CMU', 1)", WebAction("type", 164, "restaurants near CMU", True)),
        ("type(164, content='x', press_enter_after=False)", WebAction("type", 164, "x", False)),
        ("type(164, 'x')", WebAction("type", 164, "x", True)),
        ('scroll("down")', WebAction("scroll", text="down")),
        ("stop('N/A')", WebAction("stop", text="N/A")),
        ("stop()", WebAction("stop")),
        ("stop(Price is 3)", WebAction("stop")),
        ("stop(3)", WebAction("stop")),
        ("new_tab()", WebAction("new_tab")),
        ("tab_focus(0)", WebAction("tab_focus", tab=0)),
        ("go_back()", WebAction("go_back")),
        ("scroll('left')", None),
        ("click('12')", None),
        ("click(True)", None),
        ("click(-1)", None),
        ("click(1, 2)", None),
        ("click(*[1])", None),
        ("click(**{'id': 1})", None),
        ("click(id=1, id2=2)", None),
        ("click(1); click(2)", None),
        ("click(1 + 1)", None),
        ("click", None),
        ("page.click(1)", None),
    ],
)
def test_the_programming_form(text: str, action: WebAction | None) -> None:
    assert parse_programming(text) == action


@pytest.mark.parametrize(
    "text",
    [
        "click(__import__('os').system('touch /tmp/pwned'))",
        "type(1, open('/etc/passwd').read(), 1)",
        "goto(f'http://x/{1}')",
        "[click(1) for _ in iter(int, 1)]",
        "(lambda: click(1))()",
        "click(" * 300 + "1" + ")" * 300,
    ],
)
def test_a_program_is_not_evaluated(text: str) -> None:
    assert parse_programming(text) is None


def test_the_action_stands_between_the_first_backticks() -> None:
    answer = "Let's think. In summary, the next action I will perform is ```click [7]```. Or ```stop [no]```"
    assert read_action(answer, "symbolic") == WebAction("click", 7)
    assert read_action("click [7]", "symbolic") is None
    assert read_action("```\nclick(7)\n```", "programming") == WebAction("click", 7)


ACTIONS = st.one_of(
    st.builds(WebAction, st.sampled_from(["click", "hover"]), st.integers(0, 10**6)),
    st.builds(WebAction, st.just("type"), st.integers(0, 10**6), PLAIN, st.booleans()),
    st.builds(WebAction, st.sampled_from(["press", "goto", "stop"]), text=PLAIN),
    st.builds(WebAction, st.just("tab_focus"), tab=st.integers(0, 20)),
    st.builds(WebAction, st.sampled_from(["new_tab", "close_tab", "go_back", "go_forward"])),
)


@given(ACTIONS)
def test_what_is_written_is_read_again(action: WebAction) -> None:
    assert parse_programming(action.call()) == action
    assert parse_symbolic(action.symbolic()) == action


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_symbolic(text)
    parse_programming(text)
