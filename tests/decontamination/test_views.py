"""The fast ways to split a text give exactly the tokens of the regular expressions that define them."""

import re
import unicodedata

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from lemur.decontamination.views import FIXED, code, code_tokens, words

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
CODE = re.compile(r"[^\W\d]\w*|\d+|[^\w\s]")
ASSIGNED = 0x30000  # characters beyond are next to none
TEXTS = st.text(
    st.characters() | st.sampled_from("aB_9 .\n\t\x1c\x0b\x85\xa0\u00b2\u0660\u30fb\u4e2d\u0130"), max_size=60
)


def test_every_character_is_split_as_defined():
    text = "".join(f"a{chr(point)}9 " for point in range(ASSIGNED) if not 0xD800 <= point < 0xE000)
    assert words(text) == WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    assert code_tokens(text) == CODE.findall(text)
    ascii_text = text[: text.index("\x80") - 1]
    assert ascii_text.isascii() and code_tokens(ascii_text) == CODE.findall(ascii_text)


@given(TEXTS)
@example("x1_2 12ab 0x1F 1e9 a.b->c \u3042\u3044 foo_bar")
def test_texts_are_split_as_defined(text):
    assert words(text) == WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    tokens = code_tokens(text)
    assert tokens == CODE.findall(text)
    program = code(tokens)
    assert [program.distinct[number] for number in program.numbers] == tokens
    assert len(set(program.distinct)) == len(program.distinct)
    names = [token not in FIXED and re.match(r"[^\W\d]", token) is not None for token in tokens]
    free = [is_name and "." not in tokens[at - 1 : at] for at, is_name in enumerate(names)]
    assert np.array_equal(program.is_name, np.array(free, bool))
