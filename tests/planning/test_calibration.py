from pathlib import Path

import pytest

from lemur.core.records import read_json
from lemur.core.scales import blocks
from lemur.corpus.documents import read_documents
from lemur.planning import measuring
from lemur.planning.calibration import EPOCHS, Sample, measurements, predicted_seconds, write
from lemur.planning.corpus_rates import Line, StageRates, Work
from lemur.planning.corpus_stages import STAGES, call, entry, outputs, paths
from lemur.planning.measuring import measure, size

ZERO = Line(start=0, job=0, code=0, text=0)


def test_every_stage_is_measured_on_real_code_and_text(tmp_path: Path) -> None:
    raw = write(tmp_path, Sample(0.3, 0.2, file_mb=0.1))
    assert raw.code == pytest.approx(0.3, abs=0.02) and raw.text == pytest.approx(0.2, abs=0.02)
    files = list((tmp_path / "data/raw").glob("*/files/*.parquet"))
    assert raw.jobs == len(files) >= 4
    rows = {stage: (work, measured) for stage, work, measured in measurements(tmp_path, raw, window=50, repeats=1)}
    assert list(rows) == [stage.name for stage in STAGES]
    for stage, (_, measured) in rows.items():
        assert measured["driver_seconds"] > 0.05 and measured["driver_mb"] > 10, stage
        assert measured["disk_mb"] == pytest.approx(sum(map(size, outputs(stage, tmp_path))) / 1e6), stage
        assert measured["written_mb"] >= measured["disk_mb"] > 0, stage
        assert measured["read_mb"] > 1, stage  # modules at least
    assert rows["clean_corpus"][0] == raw
    assert rows["clean_corpus"][1]["workers_seconds"] > 0.5 and rows["clean_corpus"][1]["worker_mb"] > 30
    assert rows["mix_corpus"][1]["workers_seconds"] == 0
    cleaned = list(read_documents(paths("dedup_corpus", tmp_path)["documents"]))
    text = sum(len(record["text"].encode()) for record in cleaned if record["group"] == "text") / 1e6
    assert rows["dedup_corpus"][0].text == pytest.approx(text)
    report = read_json(paths("tokenize_corpus", tmp_path)["report"])
    assert sum(rows["mix_corpus"][0][1:]) == pytest.approx(report["tokens"] / 1e6)
    packed = read_json(paths("pack_corpus", tmp_path)["report"])
    assert sum(rows["pack_corpus"][0][1:]) == pytest.approx(EPOCHS * report["tokens"] / 1e6)
    assert packed["tokens_in"] == EPOCHS * report["tokens"]
    assert rows["pack_corpus"][0].jobs == len(list(paths("pack_corpus", tmp_path)["shards"].glob("*.arrayrecord")))
    assert rows["dedup_corpus"][0].jobs == len(list(paths("dedup_corpus", tmp_path)["documents"].iterdir()))


def test_a_larger_sample_begins_with_the_smaller_one(tmp_path: Path) -> None:
    from pyarrow import parquet

    texts = []
    for name, megabytes in (("small", 0.1), ("large", 0.2)):
        write(tmp_path / name, Sample(0.0, megabytes))
        (file,) = (tmp_path / name / "data/raw/refinedweb/files").iterdir()
        texts.append(parquet.read_table(file)["text"].to_pylist())
    assert texts[0] == texts[1][: len(texts[0])] and len(texts[0]) > 20


def test_a_sample_larger_than_the_packages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lemur.planning import corpus_sample

    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a.py").write_text("x = 1\n" * 200, encoding="utf-8")
    monkeypatch.setattr(corpus_sample, "_package_files", lambda: [tmp_path / "package" / "a.py"])
    with pytest.raises(ValueError, match="the installed packages have only 0 of 1 MB"):
        write(tmp_path, Sample(1.0, 0.0))


def test_a_stage_that_fails_is_reported_with_its_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"split_corpus failed in the calibration:\n(.*\n)*.*FileNotFoundError"):
        measure("split_corpus", tmp_path, blocks("paper"))


def test_outputs_are_those_of_dvc_yaml(tmp_path: Path) -> None:
    for stage in STAGES:
        declared = {tmp_path / out.replace("${item.model}", "lemur") for out in entry(stage.name)["outs"]}
        own = {path for path in declared if not path.name.endswith(".ledger.jsonl")}  # the runner writes those
        assert set(outputs(stage.name, tmp_path)) == own, stage.name


def test_a_stage_is_called_with_the_paths_of_its_command(tmp_path: Path) -> None:
    write(tmp_path, Sample(0.0, 0.0))
    params = blocks("paper")
    call("clean_corpus", tmp_path, params)
    call("dedup_corpus", tmp_path, params)
    report = read_json(tmp_path / "reports/stages/dedup_corpus.json")
    assert report["out"] == 0 and (tmp_path / "data/corpus/distinct/python-00000.jsonl").is_file()


def test_unfinished_shards_do_not_count_as_scratch(tmp_path: Path) -> None:
    scratch = tmp_path / ".distinct.scratch.partial"
    for name, count in (("shard-abc", 1000), ("bands", 20)):
        (scratch / name).mkdir(parents=True)
        (scratch / name / "file").write_bytes(b"x" * count)
    assert measuring._shared_scratch(scratch) == 20
    assert measuring._shared_scratch(tmp_path / "nowhere") == 0


def test_the_prediction_adds_driver_and_each_workers_start() -> None:
    rates = StageRates(
        driver_seconds=Line(start=1, job=0.25, code=0.5, text=0),
        workers_seconds=Line(start=2, job=0, code=1, text=3),
        read_mb=ZERO, written_mb=ZERO, disk_mb=ZERO, scratch_mb=ZERO, driver_mb=1, worker_mb=1,
    )  # fmt: skip
    assert predicted_seconds(rates, Work(8, 10, 20), processes=4) == 1 + 2 + 5 + 4 * 2 + 10 + 60
