import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.planning import corpus_rates
from lemur.planning.corpus_rates import OURS, Line, Work, fit, load, outdated, save, versions
from lemur.planning.corpus_stages import STAGES

WORKS = [Work(3, 0.5, 0.5), Work(22, 8.0, 0.5), Work(22, 0.5, 8.0), Work(200, 2.0, 2.0)]
numbers = st.floats(min_value=0.0, max_value=50.0)


@given(numbers, numbers, numbers, numbers)
def test_start_and_rates_come_back_from_exact_timings(start: float, job: float, code: float, text: float) -> None:
    found = fit(WORKS, [start + job * work.jobs + code * work.code + text * work.text for work in WORKS])
    assert (found.start, found.job, found.code, found.text) == pytest.approx((start, job, code, text), abs=1e-9)
    assert found.at(Work(7, 100.0, 10.0)) == pytest.approx(start + 7 * job + 100 * code + 10 * text)
    assert found.growth(Work(7, 100.0, 10.0)) == pytest.approx(7 * job + 100 * code + 10 * text, abs=1e-6)


def test_more_timings_than_unknowns_are_balanced_and_no_rate_is_negative() -> None:
    # The same job twice, measured above and below the line.
    works = [*WORKS, WORKS[0]]
    measured = [2.0 + 0.3 * work.code + 0.3 * work.text for work in works]
    found = fit(works, [measured[0] + 0.1, *measured[1:4], measured[4] - 0.1])
    assert found.start == pytest.approx(2.0) and found.code == pytest.approx(0.3)
    falling = fit(WORKS, [1.0, 0.9, 1.1, 0.9])
    assert min(falling.start, falling.job, falling.code, falling.text) >= 0 and falling.code == 0


def test_saved_rates_are_loaded_and_files_that_are_not_rates_are_refused(tmp_path: Path) -> None:
    _, ours = load(OURS)
    file = tmp_path / "deeper" / "rates.json"
    save(file, ours)
    assert load(file) == (file, ours)
    with pytest.raises(SystemExit, match=r"nowhere: there is no such file of rates; `lemur plan-data --calibrate`"):
        load(tmp_path / "nowhere")
    file.write_text("{", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"rates\.json: not JSON \(.*\); `lemur plan-data --calibrate` measures"):
        load(file)
    tree = json.loads(OURS.read_text(encoding="utf-8"))
    tree["stages"]["split_corpus"]["read_mb"]["code"] = -1
    file.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"stages\.split_corpus\.read_mb\.code: .* equal to 0; found -1; `lemur"):
        load(file)
    del tree["stages"]["split_corpus"]
    file.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"stages: \['split_corpus'\] are missing"):
        load(file)


def test_a_calibration_of_this_checkout_comes_before_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.json"
    monkeypatch.setattr(corpus_rates, "OWN", own)
    assert load(None)[0] == OURS
    shutil.copy(OURS, own)
    assert load(None)[0] == own


def test_what_changed_since_a_calibration_is_named() -> None:
    _, ours = load(OURS)
    now = versions()
    assert now["code"].keys() == {stage.name for stage in STAGES}
    assert {"rensa", "tokenizers", "array-record", "detect-secrets"} <= now["packages"].keys()
    fresh = ours.model_copy(update=now)
    assert outdated(fresh) == []
    code = {**now["code"], "dedup_corpus": "0", "pack_corpus": "1"}
    packages = {**now["packages"], "rensa": "0.0.1"}
    stale = ours.model_copy(update={"code": code, "packages": packages})
    assert outdated(stale) == ["the code of dedup_corpus, pack_corpus", f"rensa 0.0.1 -> {now['packages']['rensa']}"]


def test_a_stages_code_is_what_dvc_yaml_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = versions()["code"]
    declared = dict(corpus_rates.entry("dedup_corpus"))
    declared["deps"] = [dep for dep in declared["deps"] if not dep.endswith("core/workers.py")]
    real = corpus_rates.entry
    monkeypatch.setattr(corpus_rates, "entry", lambda name: declared if name == "dedup_corpus" else real(name))
    after = versions()["code"]
    assert {name for name in before if before[name] != after[name]} == {"dedup_corpus"}


def test_a_line_is_its_start_plus_growth() -> None:
    line = Line(start=1.5, job=0.5, code=0.25, text=2.0)
    assert line.growth(Work(6, 4, 3)) == 10.0
    assert line.at(Work(6, 4, 3)) == 11.5
