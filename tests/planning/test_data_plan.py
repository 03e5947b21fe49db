import json
import sys

import pytest

from lemur import __main__ as cli
from lemur.core.files import ROOT, read_yaml
from lemur.core.scales import names
from lemur.corpus.sources import SOURCES, group
from lemur.planning import corpus_rates
from lemur.planning.corpus_hours import CHECKSUMS
from lemur.planning.corpus_rates import OURS, load, save, versions
from lemur.planning.corpus_stages import STAGES
from lemur.planning.data_plan import ASSUMPTIONS, plan
from lemur.planning.data_plan_text import WIDTH, lines
from lemur.sources.manifest import read
from lemur.sources.patterns import matches


def test_the_papers_plan_sums_to_table_8():
    planned = plan("paper", cores=16)
    assert planned["total_tokens"] == 90_000_000_000
    assert planned["total"]["tokens"] == pytest.approx(90e9, rel=1e-9)
    assert planned["total"]["paper_tokens"] == pytest.approx(89.89e9)  # the sum of the printed rows
    assert [row["source"] for row in planned["sources"]] == list(SOURCES)
    for row in planned["sources"]:
        # The printed weights sum to 99.90 %, so a plan of all 90 billion makes each 0.1 % larger (Python: 65.52 for
        # 65.46). The tolerance of 0.0145 billion: weights are rounded to 0.01 % (0.0045), tokens truncated at 0.01.
        printed = row["weight"] / 100 * 90e9
        assert row["tokens"] == pytest.approx(printed * 100 / 99.90, rel=1e-4), row["source"]
        assert abs(row["paper_tokens"] - printed) <= 0.0145e9, row["source"]
    code = sum(row["tokens"] for row in planned["sources"] if row["group"] == "code")
    assert code / planned["total"]["tokens"] == pytest.approx(10 / 11, abs=0.001)


def test_bytes_files_and_hours_follow_from_the_tokens():
    planned = plan("paper", cores=1)
    rows = {row["source"]: row for row in planned["sources"]}
    python, java = rows["python"], rows["java"]
    assert python["source_tokens"] * 2.98 == pytest.approx(python["tokens"])
    # Java has 0.06 epochs, so most of it is not used.
    assert java["raw_bytes"] > python["raw_bytes"] > python["source_tokens"]
    for row in rows.values():
        assert row["files"] >= 1 and row["cpu_hours"] > 0
        assert row["disk_bytes"] > row["raw_bytes"] > row["downloaded_bytes"] > 0
    # What the sources take is what the stages take, without the start of each and checksums.
    stages = [row for row in planned["stages"] if row["stage"] != CHECKSUMS]
    hours = sum(row["serial_hours"] + row["parallel_hours"] for row in stages)
    assert hours == pytest.approx(planned["total"]["cpu_hours"])
    assert sum(row["disk_bytes"] for row in stages) == pytest.approx(planned["total"]["disk_bytes"])
    assert sum(row["downloaded_bytes"] for row in stages) == pytest.approx(planned["total"]["downloaded_bytes"])


def test_more_cores_and_machines_shorten_the_parallel_parts_alone():
    one, many = plan("paper", cores=16), plan("paper", cores=16, machines=8)
    assert [row["stage"] for row in one["stages"]] == [*(stage.name for stage in STAGES), CHECKSUMS]
    for before, after in zip(one["stages"], many["stages"], strict=True):
        same = ("start_hours", "serial_hours", "parallel_hours", "longest_job_hours", "disk_bytes", "driver_mb")
        assert [before[key] for key in same] == [after[key] for key in same]
        assert after["hours"] >= after["start_hours"] + after["serial_hours"] + after["longest_job_hours"]
        assert after["hours"] == before["hours"] or after["several_machines"]
    assert many["hours"] == pytest.approx(sum(row["hours"] for row in many["stages"])) and many["hours"] < one["hours"]
    serial = sum(row["start_hours"] + row["serial_hours"] for row in many["stages"])
    assert plan("paper", cores=10**6, machines=1000)["hours"] > serial


def test_the_hub_manifests_match_enough_files_and_the_plan_counts_them():
    paths_by_source = {
        "refinedweb": [f"data/train-{number:05d}-of-05534-b8fc5348cbe605a5.parquet" for number in range(5534)],
        "wikipedia": [f"20231101.en/train-{number:05d}-of-00041.parquet" for number in range(41)],
    }
    rows = {row["source"]: row for row in plan("paper", cores=1)["sources"]}
    hub = read_yaml(ASSUMPTIONS)["hub"]
    assert hub.keys() == {source for source in SOURCES if group(source) == "text"} - {"dm_mathematics"}
    for source, paths in paths_by_source.items():
        patterns = [file.path for file in read(ROOT / "data/sources" / source).place("hub").files]
        matched = [path for pattern in patterns for path, _ in matches(pattern, paths)]
        assert len(matched) == len(set(matched)) == hub[source]["files"] == rows[source]["files"]
    for source, row in hub.items():
        assert rows[source]["raw_bytes"] == 1e9 * row["raw_gigabytes"]
        assert 0 < rows[source]["epochs"] < 1
    # Other scales read nothing from the hub.
    assert not plan("demo", cores=1)["hub"]


def test_every_scale_can_be_planned_and_an_unknown_one_is_refused():
    for scale in names():
        planned = plan(scale, cores=2)
        assert planned["total"]["tokens"] == pytest.approx(planned["total_tokens"])
    with pytest.raises(SystemExit, match=r"'huge' is not known; the scales are demo, .*paper, small, tiny"):
        plan("huge", cores=1)


def test_help_names_every_scale(monkeypatch, capsys):
    for arguments in (["--help"], ["plan-data", "--help"]):
        monkeypatch.setattr(sys, "argv", ["lemur", *arguments])
        with pytest.raises(SystemExit):
            cli.main()
        output = capsys.readouterr().out
        assert not [name for name in names() if name not in output]


def test_command_prints_a_table_or_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lemur", "plan-data", "--json", "--cores", "64", "--machines", "4"])
    cli.main()
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(json.dumps(plan("paper", cores=64, machines=4)))
    assert (printed["cores"], printed["machines"]) == (64, 4)
    assert set(printed) == {
        "scale", "total_tokens", "paper_tokens", "sequence_length", "cores", "machines", "assumed", "hub", "sources",
        "total", "stages", "hours", "rates",
    }  # fmt: skip
    assert set(printed["rates"]) == {"file", "sample_mb", "repeat_seconds", "changed_since"}
    assert set(printed["stages"][0]) == {
        "stage", "serial_part", "several_machines", "hours", "start_hours", "serial_hours", "parallel_hours",
        "longest_job_hours", "worker_mb", "driver_mb", "disk_bytes", "scratch_bytes", "read_bytes", "written_bytes",
        "downloaded_bytes", "mb_per_second",
    }  # fmt: skip
    text = list(lines(plan("paper", cores=16)))
    (total,) = (line for line in text if line.startswith("total"))
    assert "90.00" in total and "89.89" in total
    assert "Tokens sum to 90.00B; the printed rows of Table 8 to 89.89B, each truncated at 0.01" in text
    assert [line.split()[0] for line in text if line.endswith((" all", " one"))] == [
        row["stage"] for row in printed["stages"]
    ]
    for stage in STAGES:
        assert f"{stage.name}: {stage.serial}" in " ".join(" ".join(text).split())


@pytest.mark.parametrize("machines", [1, 1000])
@pytest.mark.parametrize("scale", names())
def test_no_line_is_wider_than_100_columns(scale, machines):
    assert max(map(len, lines(plan(scale, cores=64, machines=machines)))) <= WIDTH == 100


def test_rates_that_are_out_of_date_are_used_and_said_to_be(tmp_path, monkeypatch):
    _, ours = load(OURS)
    own = tmp_path / "corpus_rates.json"
    monkeypatch.setattr(corpus_rates, "OWN", own)
    save(own, ours.model_copy(update=versions()))
    printed = "\n".join(lines(plan("paper", cores=1)))
    assert f"Rates: {own}, measured on" in " ".join(printed.split()) and "OUTDATED" not in printed
    # 0.085 s in 8.5 MB are 10 s in each GB.
    save(own, ours.model_copy(update={"repeat_seconds": 0.085, "sample_mb": 8.5}))
    printed = " ".join(" ".join(lines(plan("paper", cores=1))).split())
    assert "its two shortest runs differed by 0.085 s, so it is uncertain by about 2.4 hours." in printed
    packages = {**versions()["packages"], "rensa": "0.0.1"}
    save(own, ours.model_copy(update={**versions(), "packages": packages}))
    now = versions()["packages"]["rensa"]
    assert f"OUTDATED: since they were measured changed rensa 0.0.1 -> {now}" in list(lines(plan("paper", cores=1)))


def test_assumptions_are_printed_with_their_reasons_and_decide_the_numbers(tmp_path):
    printed = " ".join(" ".join(lines(plan("paper", cores=16))).split())
    assert "kept_share 0.8, 0.8: of raw bytes, after cleaning, deduplication and decontamination; 0.97 was" in printed
    assert "raw_compression 3, 2: text to what is downloaded; as Parquet 2.6 (Snappy) to 3.8 (zstd)" in printed
    assert "epochs as Table 8, 1: Table 8 gives none for text" in printed
    assumptions = read_yaml(ASSUMPTIONS)
    assert assumptions["assumed"]["kept_share"]["text"] == 0.8
    assumptions["assumed"]["kept_share"]["text"] = 0.4
    other = tmp_path / "assumptions.yaml"
    other.write_text(json.dumps(assumptions), encoding="utf-8")
    before, after = (
        {row["source"]: row for row in plan("paper", cores=1, assumptions=path)["sources"]}
        for path in (ASSUMPTIONS, other)
    )
    assert after["dm_mathematics"]["raw_bytes"] == pytest.approx(2 * before["dm_mathematics"]["raw_bytes"])
    assert after["python"] == before["python"]
    # From the hub everything in the manifest is read, so keeping less of it means more epochs.
    assert after["books"]["raw_bytes"] == before["books"]["raw_bytes"]
    assert after["books"]["epochs"] == pytest.approx(2 * before["books"]["epochs"])
    assert after["books"]["tokens"] == before["books"]["tokens"]


def test_a_small_scale_is_printed_in_small_units():
    head, _, titles, *rows = lines(plan("demo", cores=1))
    assert head.startswith("Scale demo: 420 thousand tokens") and head.endswith("machines x cores: 1 x 1")
    assert all(title in titles for title in ("tokens,K", "raw,MB", "CPU seconds"))
    python = rows[0].split()
    assert all(float(python[column]) > 0 for column in (1, 4, 5, 6, 7, 8))


@pytest.mark.parametrize("option", ["--cores", "--machines"])
def test_no_cores_or_machines_are_refused(option, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lemur", "plan-data", option, "0"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert f"Invalid value for '{option}'" in capsys.readouterr().err
