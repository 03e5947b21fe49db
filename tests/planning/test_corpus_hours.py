import ast
from typing import Any

import pytest

from lemur.core.files import PACKAGE, ROOT
from lemur.corpus.sources import group
from lemur.planning.corpus_hours import CHECKSUMS, Corpus, amdahl, stage_plans
from lemur.planning.corpus_rates import Rates
from lemur.planning.corpus_stages import STAGES, entry

NOTHING = {"start": 0.0, "job": 0.0, "code": 0.0, "text": 0.0}


@pytest.mark.parametrize(
    ("processors", "hours"),
    [(1, 0.5 + 1.0 + 64.0), (16, 0.5 + 1.0 + 4.0), (64, 0.5 + 1.0 + 2.0), (10**6, 0.5 + 1.0 + 2.0)],
)
def test_only_the_parallel_part_is_divided_and_never_below_the_longest_job(processors: int, hours: float) -> None:
    seconds = {"start": 1800.0, "serial": 3600.0, "parallel": 64 * 3600.0, "longest": 2 * 3600.0}
    assert amdahl(**seconds, processors=processors) == {
        "hours": hours,
        "start_hours": 0.5,
        "serial_hours": 1.0,
        "parallel_hours": 64.0,
        "longest_job_hours": 2.0,
    }


def source(name: str, raw_mb: float, epochs: float = 1.0) -> dict[str, Any]:
    """Half of the bytes stay, four bytes are a token, a document has 1,000 bytes."""
    raw = 1e6 * raw_mb
    amounts = {"raw_bytes": raw, "kept_bytes": raw / 2, "source_tokens": raw / 8, "tokens": epochs * raw / 8}
    more = {"documents": raw / 2000, "epochs": epochs, "downloaded_bytes": raw / 4, "disk_bytes": raw, "files": 1000}
    return {"source": name, "group": group(name), **amounts, **more}


def corpus(*sources: dict[str, Any]) -> Corpus:
    params = {"clean_corpus.shard_bytes": 10_000_000, "pack_corpus.window_documents": 20_000, "some.megabytes": 7.0}
    params |= {"dedup_corpus.memory_mb": 160}
    assumptions = {
        "assumed": {"raw_compression": {"code": 4.0, "text": 2.0}},
        "memory": {
            "dedup_corpus": {"process": "driver", "bytes": 100, "per": "documents"},
            "pack_corpus": {"process": "worker", "bytes": 4, "per": "window_tokens"},
            "split_corpus": {"process": "worker", "bytes": 1e6, "per": "some.megabytes"},
        },
    }
    return Corpus(list(sources), params, assumptions)


def rates(**changed: dict[str, Any]) -> Rates:
    plain = {key: NOTHING for key in ("driver_seconds", "read_mb", "written_mb", "disk_mb", "scratch_mb")}
    plain |= {
        "workers_seconds": {"start": 2.0, "job": 0.0, "code": 0.5, "text": 0.25},
        "driver_mb": 50.0,
        "worker_mb": 80.0,
    }  # type: ignore[dict-item]
    stages = {stage.name: {**plain, **changed.get(stage.name, {})} for stage in STAGES}
    return Rates.model_validate(
        {
            "sample_mb": 1.0,
            "repeat_seconds": 0.1,
            "hashed_mb_per_second": 500.0,
            "stages": stages,
            "code": {},
            "packages": {},
        }
    )


def by_stage(sources: list[dict[str, Any]], measured: Rates, cores: int, machines: int) -> dict[str, dict[str, Any]]:
    return {row["stage"]: row for row in stage_plans(corpus(*sources), measured, cores=cores, machines=machines)}


def test_hours_of_a_stage_by_hand() -> None:
    measured = rates(clean_corpus={"driver_seconds": {"start": 10.0, "job": 0.2, "code": 0.01, "text": 0.03}})
    rows = by_stage([source("python", 3600.0), source("books", 720.0)], measured, cores=4, machines=3)
    clean = rows["clean_corpus"]
    assert clean["start_hours"] == pytest.approx((10 + 2) / 3600)
    # 900 and 180 MB as stored, 10 MB a shard.
    assert clean["serial_hours"] == pytest.approx((0.2 * (90 + 18) + 36 + 21.6) / 3600)
    assert clean["parallel_hours"] == pytest.approx((1800 + 180) / 3600)
    # A shard has 10 MB as stored: 40 MB of code, 20 MB of text.
    assert clean["longest_job_hours"] == pytest.approx(40 * 0.5 / 3600)
    assert clean["hours"] == pytest.approx((12 + 79.2 + 1980 / 12) / 3600)
    # Half of the bytes are left, of the shards too.
    assert rows["split_corpus"]["parallel_hours"] == pytest.approx(990 / 3600)
    assert rows["split_corpus"]["longest_job_hours"] == pytest.approx(20 * 0.5 / 3600)


def test_jobs_are_shards_parts_of_them_or_windows() -> None:
    one_job = {"driver_seconds": {"start": 0.0, "job": 3600.0, "code": 0.0, "text": 0.0}}
    measured = rates(**dict.fromkeys(("clean_corpus", "dedup_corpus", "split_corpus", "pack_corpus"), one_job))
    few_files = {**source("books", 720.0), "files": 5}
    rows = by_stage([source("python", 3600.0, epochs=2.0), few_files], measured, cores=1, machines=1)
    assert rows["clean_corpus"]["serial_hours"] == rows["split_corpus"]["serial_hours"] == 90 + 5
    assert rows["dedup_corpus"]["serial_hours"] == pytest.approx(3600 / 10 + 720 / 10)  # a sixteenth of memory_mb
    assert rows["pack_corpus"]["serial_hours"] == pytest.approx((2 * 1_800_000 + 360_000) / 20_000)


def test_a_source_smaller_than_a_shard_is_one_job() -> None:
    rows = by_stage([source("python", 6.0), source("books", 720.0)], rates(), cores=1, machines=1)
    assert rows["clean_corpus"]["longest_job_hours"] == pytest.approx(max(6 * 0.5, 20 * 0.25) / 3600)


def test_a_stage_for_one_machine_gains_nothing_from_others() -> None:
    sources = [source("python", 3600.0)]
    one, four = (by_stage(sources, rates(), cores=2, machines=machines) for machines in (1, 4))
    assert four["mix_corpus"]["hours"] == one["mix_corpus"]["hours"]
    assert not four["mix_corpus"]["several_machines"] and not four[CHECKSUMS]["several_machines"]
    assert four["split_corpus"]["hours"] < one["split_corpus"]["hours"]


def test_the_smallest_unit_of_packing_is_a_window() -> None:
    # 1.8 million documents in each of two epochs; a window has 20,000 of the 3.6 million, of 900 million tokens.
    rows = by_stage([source("python", 3600.0, epochs=2.0)], rates(), cores=1, machines=1)
    assert rows["pack_corpus"]["parallel_hours"] == pytest.approx(900 * 0.5 / 3600)
    assert rows["pack_corpus"]["longest_job_hours"] == pytest.approx(900 * 0.5 / 180 / 3600)


def test_memory_grows_with_documents_or_a_parameter_as_stated() -> None:
    rows = by_stage([source("python", 3600.0), source("books", 720.0)], rates(), cores=1, machines=1)
    assert rows["dedup_corpus"]["driver_mb"] == pytest.approx(50 + 100 * 2_160_000 / 1e6)
    assert rows["pack_corpus"]["worker_mb"] == pytest.approx(80 + 4 * (450e6 + 90e6) * 20_000 / 2_160_000 / 1e6)
    assert rows["split_corpus"]["worker_mb"] == pytest.approx(80 + 7)
    assert rows["clean_corpus"]["driver_mb"] == 50 and rows["clean_corpus"]["worker_mb"] == 80


def test_disk_scratch_and_traffic() -> None:
    sizes = {
        "disk_mb": {"start": 9.0, "job": 0.0, "code": 1.0, "text": 2.0},
        "scratch_mb": {"start": 9.0, "job": 0.0, "code": 0.5, "text": 0.0},
    }
    moved = {
        "read_mb": {"start": 9.0, "job": 0.0, "code": 3.0, "text": 1.0},
        "written_mb": {"start": 0.0, "job": 0.0, "code": 1.0, "text": 1.0},
    }
    rows = by_stage([source("python", 360.0)], rates(clean_corpus={**sizes, **moved}), cores=2, machines=1)
    clean = rows["clean_corpus"]
    assert clean["disk_bytes"] == pytest.approx(360e6)
    # Two workers write 40 MB each, which are not renamed yet.
    assert clean["scratch_bytes"] == pytest.approx(180e6 + 2 * 40e6)
    assert (clean["read_bytes"], clean["written_bytes"]) == pytest.approx((1080e6, 360e6))
    assert clean["downloaded_bytes"] == pytest.approx(90e6)
    assert clean["mb_per_second"] == pytest.approx(1530 / (2 + 180 / 2))
    assert rows["dedup_corpus"]["downloaded_bytes"] == 0


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (16, 16), (64, 16)])
def test_outputs_are_hashed_twice_in_at_most_16_threads(cores: int, threads: int) -> None:
    measured = rates(clean_corpus={"disk_mb": {"start": 0.0, "job": 0.0, "code": 1.0, "text": 1.0}})
    checksums = by_stage([source("python", 3600.0)], measured, cores, machines=2)[CHECKSUMS]
    assert checksums["hours"] == pytest.approx(2 * 3600 / 500 / threads / 3600)


def test_stages_with_jobs_are_those_that_map_their_shards() -> None:
    for stage in STAGES:
        (module,) = (ROOT / dep for dep in entry(stage.name)["deps"] if dep.endswith(f"/{stage.name}.py"))
        assert PACKAGE in module.parents
        names = {
            alias.name
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert stage.has_jobs == bool({"map_shards", "Pool"} & names), stage.name
