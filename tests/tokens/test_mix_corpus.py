import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.core.records import read_json
from lemur.corpus.sources import CODE, SOURCES
from lemur.tokens import mixture
from lemur.tokens.mix_corpus import Params, mix_corpus
from lemur.tokens.mixture import Order, allocate, allocate_groups, take
from tests.corpus.builders import token_store

NUMBERS = st.floats(0, 1000, allow_nan=False)


@settings(max_examples=300)
@given(total=NUMBERS, rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_allocation_reaches_the_total_or_all_caps(total, rows):
    weights = {str(number): weight for number, (weight, _) in enumerate(rows)}
    caps = {str(number): cap for number, (_, cap) in enumerate(rows)}
    shares = allocate(total, weights, caps)
    room = sum(cap for name, cap in caps.items() if weights[name] > 0)
    assert sum(shares.values()) == pytest.approx(min(total, room), abs=1e-6)
    assert all(shares[name] <= caps[name] + 1e-9 for name in caps)
    below = [name for name in caps if weights[name] > 0 and shares[name] < caps[name] * (1 - 1e-6) - 1e-6]
    for first in below:  # those below their cap keep their proportion
        for second in below:
            assert shares[first] * weights[second] == pytest.approx(shares[second] * weights[first], rel=1e-6, abs=1e-6)


def test_what_exceeds_a_cap_goes_to_the_same_group_first():
    weights = {**dict.fromkeys(SOURCES, 0.0), "python": 80.0, "sql": 10.0, "books": 10.0}
    caps = {**dict.fromkeys(SOURCES, 0.0), "python": 1000.0, "sql": 5.0, "books": 1000.0}
    shares = allocate_groups(100, weights, caps)
    assert (shares["python"], shares["sql"], shares["books"]) == (85.0, 5.0, 10.0)
    caps["python"] = 50.0
    assert allocate_groups(100, weights, caps)["books"] == 45.0


def test_take_gives_whole_epochs_and_the_closest_part():
    assert taken([10] * 4, 80) == (2, 0, 80)
    assert taken([10] * 4, 64) == (1, 2, 60)
    assert taken([10] * 4, 0) == (0, 0, 0)
    assert taken([], 0) == (0, 0, 0)
    assert taken([10] * 4, 79) == (2, 0, 80)


@given(lengths=st.lists(st.integers(0, 9), max_size=30), tokens=st.floats(0, 400), block=st.integers(1, 7))
def test_take_does_not_depend_on_how_many_documents_it_looks_at_together(lengths, tokens, block):
    whole = taken(lengths, tokens)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixture, "_BLOCK", block)
        assert taken(lengths, tokens) == whole
    total = sum(lengths)
    if total:
        order = mixture.permute(np.arange(len(lengths)), len(lengths), 0, "a", int(tokens // total))
        reachable = tokens // total * total + np.cumsum([0, *np.array(lengths)[order]])
        assert abs(whole.tokens - tokens) == pytest.approx(min(abs(reachable - tokens)))


def taken(lengths, tokens):
    return take("a", np.array(lengths, int).__getitem__, len(lengths), sum(lengths), tokens, 0)


def run(folder, lengths, **changes):
    store = token_store(folder / "tokens", lengths)
    weights = {**dict.fromkeys(SOURCES, 0.0), "python": 90.0, "books": 10.0}
    values = {"total_tokens": 10_000, "weights": weights, "max_epochs": 3.0, "seed": 1, **changes}
    mix_corpus(Params.model_validate(values), store, mixture=folder / "m.json", report=folder / "r.json")
    return read_json(folder / "m.json"), read_json(folder / "r.json")


def test_weights_are_reached_and_counted(tmp_path):
    mixture, report = run(tmp_path, {"python": [50] * 100, "books": [40] * 100})
    assert report["sources"]["python"]["epochs"] == 1.8
    assert report["sources"]["python"]["tokens"] == 9000 and report["sources"]["books"]["tokens"] == 1000
    assert report["code_share"] == 90.0 and mixture["tokens"] == report["tokens"] == 10_000


def test_max_epochs_caps_a_source_and_the_report_shows_it(tmp_path):
    _, report = run(tmp_path, {"python": [50] * 10, "books": [40] * 10})
    assert report["sources"]["python"] | {"share": 0, "weight": 0} == {
        "group": "code",
        "available_tokens": 500,
        "capped": True,
        "epochs": 3.0,
        "share": 0,
        "tokens": 1500,
        "weight": 0,
    }
    assert report["tokens"] == 1500 + 1200


def test_zero_total_tokens_give_an_empty_plan(tmp_path):
    mixture, report = run(tmp_path, {"python": [50] * 10}, total_tokens=0)
    assert mixture["tokens"] == report["tokens"] == 0 and len(Order(mixture)) == 0


def test_the_order_holds_each_document_as_often_as_planned(tmp_path):
    mixture, _ = run(tmp_path, {"python": [50] * 37, "books": [40] * 20})
    order = Order(mixture)
    source, document = order[0 : len(order)]
    for number, name in enumerate(order.sources):
        row = mixture["sources"][name]
        times = np.bincount(document[source == number], minlength=row["source_documents"])
        assert set(times.tolist()) <= {row["full_epochs"], row["full_epochs"] + 1}
        assert int(times.sum()) == row["full_epochs"] * row["source_documents"] + row["partial_documents"]
    for start in range(0, len(order), 7):
        part = order[start : start + 7]
        assert (part[0] == source[start : start + 7]).all() and (part[1] == document[start : start + 7]).all()
    # Mixed, not one source after the other.
    code = np.isin(source, [order.sources.index(name) for name in CODE])
    assert np.count_nonzero(np.diff(code)) > 10


def test_weights_are_checked(tmp_path):
    with pytest.raises(ValueError, match="no entry for"):
        run(tmp_path / "1", {}, weights={"python": 1.0})
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        run(tmp_path / "2", {}, weights={**dict.fromkeys(SOURCES, 0.0), "python": -1.0})
