"""BM25 over local pages: what is found, in which order, and that nothing else decides it."""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.agents.search.interface import NOTHING, Page
from lemur.agents.search.local import LocalPages
from lemur.agents.search.recorded import Recorded

SOURCE = Path(__file__).resolve().parents[3] / "data" / "sources" / "mint" / "bundled" / "wikipedia"
PAGES = [Page(**json.loads(line)) for line in (SOURCE / "pages.jsonl").read_text(encoding="utf-8").splitlines()]
LOCAL = LocalPages(PAGES)


def titles(query: str, pages: LocalPages = LOCAL) -> list[str]:
    return [page.title for page in pages.find(query)]


def test_a_page_with_the_title_comes_first() -> None:
    assert titles("radium")[0] == "Radium"  # Marie Curie's and Polonium's pages have the word too
    assert titles(" TITAN (MOON) ")[0] == "Titan (moon)"


def test_words_of_the_text_are_found() -> None:
    assert titles("first pendulum clock")[0] == "Christiaan Huygens"
    assert titles("capital of Hungary")[0] == "Budapest"


@pytest.mark.parametrize("query", ["", "   ", "the of and", "zorblax", "?!", "ß"])
def test_nothing_is_found(query: str) -> None:
    assert LOCAL.search(query) == NOTHING


def test_no_pages() -> None:
    assert LocalPages([]).search("Rome") == NOTHING
    assert LocalPages([Page("the", "of")]).search("Rome") == NOTHING


def test_the_format_is_mints() -> None:
    pages = LocalPages([Page("Rome", "a" * 600), Page("Rome (film)", "b" * 600), Page("Rome (band)", "c" * 600)])
    text = pages.search("Rome")
    assert len(text) == 1000
    assert text.startswith(f"Page: Rome\nSummary: {'a' * 600}\n\nPage: Rome (band)\nSummary: ccc")


def test_a_query_is_cut_at_300_characters() -> None:
    assert LOCAL.search("x" * 299 + " Danube") == NOTHING
    assert LOCAL.search("x" * 290 + " Danube") != NOTHING


def test_equal_scores_are_in_order_of_titles() -> None:
    pages = [Page(f"Page {letter}", "the same words") for letter in "DACB"]
    assert titles("same words", LocalPages(pages)) == ["Page A", "Page B"]


@pytest.mark.parametrize("query", [5, None, ["Rome"], b"Rome"])
def test_a_query_that_is_no_text(query: object) -> None:
    for search in (LOCAL.search, Recorded([]).find):
        with pytest.raises(TypeError, match=r"wikipedia_search\(query\) takes a string, not"):
            search(query)  # type: ignore[operator]


@given(st.text(max_size=400))
def test_any_text_may_be_asked(query: str) -> None:
    text = LOCAL.search(query)
    assert len(text) <= 1000 and (text == NOTHING or text.startswith("Page: "))


def test_neither_order_nor_threads_matter() -> None:
    shuffled = PAGES[:]
    random.Random(1).shuffle(shuffled)
    other = LocalPages(shuffled)
    assert other.record() == LOCAL.record()
    queries = [" ".join(page.text.split()[3:7]) for page in PAGES] * 20
    expected = [LOCAL.search(query) for query in queries]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(other.search, queries)) == expected


def test_neither_jax_nor_the_hash_seed_matters(tmp_path: Path) -> None:
    """bm25s runs JAX when it is imported, if it finds it; then XLA's settings are fixed and a GPU's memory is taken."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from lemur.agents.search.interface import Page\n"
        "from lemur.agents.search.local import LocalPages\n"
        "pages = LocalPages([Page(f'p{n}', f'words w{n % 7} w{n % 5} w{n % 3}') for n in range(40)])\n"
        "print([pages.search(f'w{n} w{n + 1} words') for n in range(7)])\n"
        "assert not {'jax', 'jax.lax', 'numba'} & sys.modules.keys()\n",
        encoding="utf-8",
    )
    outputs = {
        subprocess.run(
            [sys.executable, str(program)],
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
