"""The layers in their order, from the files of a fetched source, and what a result says about them."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from lemur.agents.search.interface import NOTHING
from lemur.agents.search.layers import CORPUS, Layers, SearchParams, open_search
from lemur.agents.search.pages import MOST_PAGES, users_pages
from lemur.agents.search.recorded import Recorded
from lemur.sources.fetched import load
from tests.instructions.builders import fetched

ROME = "Page: Rome\nSummary: A city."
PAGES = [{"title": "Rome", "text": "The capital of Italy."}, {"title": "Oslo", "text": "The capital of Norway."}]
QUERIES = [{"query": "Rome", "result": ROME}]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    files = {"pages.jsonl": ("search_pages", PAGES, {}), "queries.jsonl": ("search_queries", QUERIES, {})}
    return fetched(tmp_path / "mint", "mint", {**files, "a.json": ("mint", [{"prompt": "p"}], {})})


def opened(source: Path, **params: object) -> Layers:
    return open_search(load(source).files, SearchParams.model_validate({"recorded": True, "behind": "local", **params}))


def test_recorded_queries_come_first(source: Path) -> None:
    search = opened(source)
    assert search.search("Rome") == ROME
    assert search.search("rome").startswith("Page: Rome\nSummary: The capital of Italy.")
    assert search.search("Norway") == "Page: Oslo\nSummary: The capital of Norway."
    record = search.record()
    assert record["kind"] == search.kind == "recorded+local-wiki"
    assert (record["recorded"]["queries"], record["local-wiki"]["pages"]) == (1, 2)


def test_what_the_parameters_leave_out(source: Path) -> None:
    alone = opened(source, recorded=False)
    assert (alone.kind, alone.search("Rome")[:30]) == ("local-wiki", "Page: Rome\nSummary: The capita")
    only = opened(source, behind="none")
    assert (only.kind, only.search("Rome"), only.search("rome")) == ("recorded", ROME, NOTHING)
    assert opened(source, recorded=False, behind="none").kind == "none"
    assert opened(source, behind="live").kind == "recorded+live-wiki"


def test_the_record_names_the_content(source: Path, tmp_path: Path) -> None:
    other = [*QUERIES, {"query": "Bonn", "result": NOTHING}]
    files = {"pages.jsonl": ("search_pages", PAGES[::-1], {}), "queries.jsonl": ("search_queries", other, {})}
    changed = opened(fetched(tmp_path / "other", "mint", files)).record()
    assert changed["local-wiki"] == opened(source).record()["local-wiki"]  # the order of pages is none
    assert changed["recorded"]["sha256"] != opened(source).record()["recorded"]["sha256"]


def test_a_users_own_pages(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = json.dumps({"title": "Bonn", "text": "A city on the Rhine. " * 100}) + "\n"
    corpus = tmp_path / "pages.jsonl"
    corpus.write_text(pages, encoding="utf-8")
    checksum = sha256(pages.encode()).hexdigest()
    with pytest.raises(ValueError, match="set LEMUR_WIKIPEDIA to its path"):
        opened(source, behind="corpus", corpus_sha256=checksum)
    monkeypatch.setenv(CORPUS, str(corpus))
    search = opened(source, behind="corpus", corpus_sha256=checksum)
    assert (search.kind, len(search.search("river Rhine"))) == ("recorded+own-wiki", 1000)
    assert search.search("Norway") == NOTHING
    with pytest.raises(ValueError, match="the parameter says 0000"):
        opened(source, behind="corpus", corpus_sha256="0" * 64)


def test_the_number_of_pages_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_PAGES >= 100_000
    monkeypatch.setattr("lemur.agents.search.pages.MOST_PAGES", 1)
    text = "".join(json.dumps(page) + "\n" for page in PAGES)
    (tmp_path / "pages.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="more than 1 pages"):
        users_pages(tmp_path / "pages.jsonl", sha256(text.encode()).hexdigest())


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("pages.jsonl", [{"title": "Rome"}], r"pages\.jsonl:1: missing_field: text is missing"),
        ("queries.jsonl", [{"query": "Rome", "result": 5}], r"queries\.jsonl:1: wrong_type: result is 5"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, name: str, rows: list[object], message: str) -> None:
    schema = "search_pages" if name == "pages.jsonl" else "search_queries"
    with pytest.raises(ValueError, match=message):
        opened(fetched(tmp_path / "mint", "mint", {name: (schema, rows, {})}))


@pytest.mark.parametrize("params", [{"behind": "corpus"}, {"corpus_sha256": "0" * 64}, {"behind": "google"}])
def test_parameters_that_make_no_sense(params: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        SearchParams.model_validate({"recorded": True, "behind": "local", **params})


def test_of_several_results_the_most_frequent_counts() -> None:
    pairs = [("q", "Page: b"), ("q", "Page: a"), (" q", "Page: b\n"), ("r", "y"), ("r", "x")]
    for order in (pairs, pairs[::-1]):
        recorded = Recorded(order)
        assert (recorded.find("q "), recorded.find("r"), recorded.find("Q")) == ("Page: b\n", "x", None)
