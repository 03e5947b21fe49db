"""Cleaning of one message."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.instructions.fences import without_fences
from lemur.instructions.normalising.cleaning import clean, unicode_clean
from lemur.instructions.normalising.markup import is_html

CODE_BLOCK = (
    '<div class="markdown prose"><p>Here <strong>is</strong> a_b &lt;div&gt;:</p><pre><div><div><span>python</span>'
    '<button>Copy code</button></div><div><code class="hljs language-python"><span>def</span> f(x):\n'
    "    return x &lt; 3\n"
    "</code></div></div></pre><ol><li>one</li><li>two</li></ol></div>"
)


def test_html_becomes_markdown() -> None:
    assert clean(CODE_BLOCK, html=True) == (
        "Here **is** a_b <div>:\n\n```python\ndef f(x):\n    return x < 3\n```\n\n1. one\n2. two"
    )


def test_only_scraped_sources_are_read_as_html() -> None:
    assert clean("<p>x</p>", html=False) == "<p>x</p>"


@pytest.mark.parametrize(
    "text",
    [
        "How do I centre a <div> in CSS?",
        "if a < b and c > d: <br>",
        "Vec<i32> and <T>(x: T)",
        "<html lang='en'> is what I wrote",
    ],
)
def test_text_about_html_stays(text: str) -> None:
    assert not is_html(text)
    assert clean(text, html=True) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure:\n```pythonCopy code\nprint(1)\n```\n2 / 3", "Sure:\n```python\nprint(1)\n```"),
        ("```\njsCopy codeconst a = 1;\n```", "```js\nconst a = 1;\n```"),
        ("Text\nCopy code\nmore", "Text\nmore"),
        ("Copy123 chars / 20 words\nHello", "Hello"),
        ("The ratio is\n3 / 2\nof it", "The ratio is\n3 / 2\nof it"),  # no page 3 of 2
        ("I want 1 / 2 of it", "I want 1 / 2 of it"),
        ("```\n1 / 2\n```", "```\n1 / 2\n```"),  # code is not touched
        ("cut off\n```py\nx = 1", "cut off\n```py\nx = 1\n```"),
    ],
)
def test_page_noise(text: str, expected: str) -> None:
    assert clean(text, html=True) == expected


def test_unicode() -> None:
    assert unicode_clean("e\u0301\r\nb\x00c\u00a0d \ufeff\ne") == "\u00e9\nbc d\ne"
    family = "\U0001f468\u200d\U0001f469"
    assert unicode_clean(family) == family  # the joiner belongs to the emoji
    assert clean("\u200b\ufeff \x07", html=True) == ""


@given(st.text())
def test_cleaning_is_stable(text: str) -> None:
    once = clean(text, html=False)
    assert clean(once, html=False) == once
    assert unicodedata.is_normalized("NFC", once)


def test_without_fences() -> None:
    assert without_fences("a\n```py\ncode\n```\nb\n~~~\nopen").split() == ["a", "b"]
