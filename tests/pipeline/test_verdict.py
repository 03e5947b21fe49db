"""The verdict on two dvc.lock files, for each kind of difference."""

from copy import deepcopy

import pytest

from lemur.core import processor
from lemur.pipeline.artifacts import lockfile
from lemur.pipeline.artifacts.verdict import verdict

LOCK: lockfile.Lock = {
    "clean": {"cmd": "clean", "deps": [{"path": "raw", "md5": "1"}], "outs": [{"path": "data", "md5": "2"}]},
    "train": {
        "cmd": "train",
        "params": {"environment.yaml": {"numerics": {"platform": "cpu", "threads": 1}}},
        "deps": [{"path": "data", "md5": "2"}],
        "outs": [{"path": "model/", "md5": "3.dir"}, {"path": "curve.csv", "md5": "4"}],
    },
    "score": {"cmd": "score", "deps": [{"path": "model/", "md5": "3.dir"}], "outs": [{"path": "score", "md5": "5"}]},
}


@pytest.fixture(autouse=True)
def _processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "name", lambda: "Toy 9")


def changed(**stages: dict[str, str]) -> lockfile.Lock:
    """LOCK with other hashes of outputs, `stage={path: md5}`, and of the deps with these paths."""
    lock = deepcopy(LOCK)
    for name, hashes in stages.items():
        for entry in lock[name]["outs"] + [dep for stage in lock.values() for dep in stage["deps"]]:
            entry["md5"] = hashes.get(entry["path"], entry["md5"])
    return lock


def verdict_lines(built: lockfile.Lock, *lost: str) -> list[str]:
    return verdict(LOCK, built, lockfile.parents(LOCK | built), lost)


def test_equal() -> None:
    assert verdict_lines(LOCK) == ["All 4 artifacts have the bytes that the committed dvc.lock records."]
    [line] = verdict(LOCK, LOCK, ["clean"], record="dvc.lock of v1")
    assert line == "The artifact has the bytes that dvc.lock of v1 records."


def test_only_weights_and_their_followers_differ() -> None:
    assert verdict_lines(changed(train={"model/": "33.dir", "curve.csv": "44"}, score={"score": "55"})) == [
        "3 of 4 artifacts differ from the committed dvc.lock.",
        "The first with different bytes from the same inputs is model/ of stage train.",
        "Only weights or what is made from them differ. The likely reason: the processor (Toy 9) or the numerics "
        'profile; docs/reproducibility.md, "Not promised", lists others.',
    ]


def test_data_that_differs_with_equal_inputs_is_a_bug() -> None:
    count, first, reason = verdict_lines(changed(clean={"data": "22"}, train={"model/": "33.dir"}))
    assert count.startswith("2 of 4 ")
    assert first == "The first with different bytes from the same inputs is data of stage clean."
    assert reason == "Its bytes do not depend on the processor or the numerics profile: please report this bug."


def test_weights_differ_with_equal_inputs_and_other_data_is_new() -> None:
    built = changed(train={"model/": "33.dir"})
    built["other"] = {"cmd": "other", "deps": [], "outs": [{"path": "extra", "md5": "6"}]}
    count, first, reason = verdict_lines(built)
    assert count.startswith("2 of 5 ")
    assert first.endswith("is model/ of stage train.")
    assert reason.startswith("The likely reason: the processor (Toy 9)")


def test_other_inputs_are_not_blamed_on_the_processor() -> None:
    built = changed(train={"model/": "33.dir"})
    built["train"]["cmd"] = "train --fast"
    built["train"]["deps"].append({"path": "more", "md5": "7"})
    assert verdict_lines(built) == [
        "1 of 4 artifacts differs from the committed dvc.lock.",
        "The first, in graph order, is model/ of stage train, built from other inputs: "
        'command: "train" -> "train --fast" (and 1 more).',
    ]


def test_other_numerics_are_the_reason() -> None:
    built = changed(train={"model/": "33.dir"})
    built["train"]["params"]["environment.yaml"]["numerics"]["threads"] = 2
    _, first, reason = verdict_lines(built)
    assert first.endswith("built from other inputs: parameter environment.yaml.numerics.threads: 1 -> 2.")
    assert "The likely reason: its numerics are not those of dvc.lock (threads: 1 -> 2)" in reason


def test_an_artifact_is_missing_on_one_side() -> None:
    without = {name: entry for name, entry in LOCK.items() if name != "score"}
    assert verdict_lines(without)[1] == "The first, in graph order, is score of stage score, which was not built."
    lines = verdict(without, LOCK, LOCK)
    assert lines[1] == "The first, in graph order, is score of stage score, which is not recorded."


def test_lost_artifacts_count() -> None:
    assert verdict_lines(LOCK, "data", "score") == ["2 of 4 artifacts differ from the committed dvc.lock."]
    assert verdict_lines(changed(score={"score": "55"}), "score")[0].startswith("1 of 4 ")
