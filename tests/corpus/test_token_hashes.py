from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.core.recurrence import since_last
from lemur.corpus.dedup.minhash import shingle_sets
from lemur.corpus.dedup.renaming import any_columns, ascii_columns, renamed_shingle_sets
from lemur.corpus.dedup.token_hashes import hash_tokens, token_columns, unified, word_hashes, words

WORDS = st.sampled_from(
    ["for", "FOR", "x1", "_y", "é", "ﬁ", "…", "'", "\u2019", "+=", "3.5", "z" * 48, "q" * 49, "w" * 300]
)
TEXTS = st.lists(st.text(max_size=40) | st.lists(WORDS, max_size=60).map(" ".join), min_size=1, max_size=6)


def test_tokens_are_words_and_marks_whatever_their_form():
    hashes, borders = word_hashes(["Don\u2019t ﬁx_it\t", "", "don't FIX_IT"])
    assert hashes.tolist() == [crc32(token) for token in (b"don", b'"', b"t", b"fix_it")] * 2
    assert borders.tolist() == [0, 4, 4, 8]


@given(TEXTS)
def test_hashes_of_many_texts_are_those_of_each_token(texts):
    hashes, borders = word_hashes(texts)
    expected = [hash_tokens(words(unified(text).casefold())) for text in texts]
    assert [each.tolist() for each in np.split(hashes, borders[1:-1])] == [each.tolist() for each in expected]
    assert hashes.dtype == np.uint64 and borders[-1] == len(hashes)


@given(TEXTS)
def test_names_are_the_same_in_ascii_and_in_any_text(texts):
    texts = [unified(text) for text in texts]
    columns, _ = token_columns(texts, ascii_columns, any_columns)
    expected = [np.concatenate(column) for column in zip(*map(any_columns, texts), strict=True)]
    assert [each.tolist() for each in columns] == [each.tolist() for each in expected]


@pytest.mark.parametrize("shingled", [shingle_sets, renamed_shingle_sets])
@given(texts=TEXTS, size=st.integers(2, 8))
def test_a_text_has_the_same_shingles_among_others_and_alone(shingled, texts, size):
    together = [each.tolist() for each in shingled(texts, size)]
    assert together == [shingled([text], size)[0].tolist() for text in texts]
    assert all(each == sorted(set(each)) for each in together)


@given(st.lists(st.integers(0, 5) | st.integers(0, 2**32 - 1)))
def test_since_last(tokens):
    last: dict[int, int] = {}
    expected = []
    for place, token in enumerate(tokens):
        expected.append(place - last.get(token, place))
        last[token] = place
    assert since_last(np.array(tokens, np.uint64)).tolist() == expected
