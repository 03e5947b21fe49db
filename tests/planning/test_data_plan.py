import json
import sys

import pytest

from lemur import __main__ as cli
from lemur.core.files import ROOT, read_yaml
from lemur.core.scales import names
from lemur.corpus.sources import SOURCES, group
from lemur.planning.data_plan import RATES, lines, plan
from lemur.sources.manifest import read
from lemur.sources.patterns import matches


def test_the_papers_plan_sums_to_table_8():
    planned = plan("paper", cores=16, hours=4.0)
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


def test_bytes_shards_and_jobs_follow_from_the_tokens():
    planned = plan("paper", cores=1, hours=1.0)
    rows = {row["source"]: row for row in planned["sources"]}
    python, java = rows["python"], rows["java"]
    assert python["source_tokens"] * 2.98 == pytest.approx(python["tokens"])
    # Java has 0.06 epochs, so most of it is not used.
    assert java["raw_bytes"] > python["raw_bytes"] > python["source_tokens"]
    assert python["shards"] == -(-python["downloaded_bytes"] // 1_000_000_000) > 1
    for row in rows.values():
        assert row["jobs"] >= row["cpu_hours"] > 0
        assert row["disk_bytes"] > row["raw_bytes"] > row["downloaded_bytes"] > 0
    assert plan("paper", cores=4, hours=2.0)["total"]["jobs"] < planned["total"]["jobs"]
    assert sum(row["cpu_hours"] for row in rows.values()) == pytest.approx(planned["total"]["cpu_hours"])


def test_the_hub_manifests_match_enough_files_and_the_plan_counts_them():
    paths_by_source = {
        "refinedweb": [f"data/train-{number:05d}-of-05534-b8fc5348cbe605a5.parquet" for number in range(5534)],
        "wikipedia": [f"20231101.en/train-{number:05d}-of-00041.parquet" for number in range(41)],
    }
    rows = {row["source"]: row for row in plan("paper", cores=1, hours=1.0)["sources"]}
    hub = read_yaml(RATES)["hub"]
    assert hub.keys() == {source for source in SOURCES if group(source) == "text"} - {"dm_mathematics"}
    for source, paths in paths_by_source.items():
        patterns = [file.path for file in read(ROOT / "data/sources" / source).place("hub").files]
        matched = [path for pattern in patterns for path, _ in matches(pattern, paths)]
        assert len(matched) == len(set(matched)) == hub[source]["files"] == rows[source]["raw_shards"]
    for source, row in hub.items():
        assert rows[source]["raw_bytes"] == 1e9 * row["raw_gigabytes"]
        assert 0 < rows[source]["epochs"] < 1
    # Other scales read nothing from the hub.
    assert not plan("demo", cores=1, hours=1.0)["hub"]


def test_every_scale_can_be_planned_and_an_unknown_one_is_refused():
    for scale in names():
        planned = plan(scale, cores=2, hours=1.0)
        assert planned["total"]["tokens"] == pytest.approx(planned["total_tokens"])
    with pytest.raises(SystemExit, match=r"'huge' is not known; the scales are demo, .*paper, small, tiny"):
        plan("huge", cores=1, hours=1.0)


def test_help_names_every_scale(monkeypatch, capsys):
    for arguments in (["--help"], ["plan-data", "--help"]):
        monkeypatch.setattr(sys, "argv", ["lemur", *arguments])
        with pytest.raises(SystemExit):
            cli.main()
        output = capsys.readouterr().out
        assert not [name for name in names() if name not in output]


def test_command_prints_a_table_or_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lemur", "plan-data", "--json"])
    cli.main()
    assert json.loads(capsys.readouterr().out)["total"]["tokens"] == pytest.approx(90e9)
    printed = list(lines(plan("paper", cores=16, hours=4.0)))
    (total,) = (line for line in printed if line.lstrip().startswith("total"))
    assert "90.00" in total and "89.89" in total
    assert "jobs, if cut" in printed[1]
    hours = plan("paper", cores=16, hours=4.0)["total"]["cpu_hours"]
    assert any(f"on one machine: {hours:,.0f} with one core" in line for line in printed)
    assert "Tokens sum to 90.00 billion; the printed rows of Table 8 to 89.89, each truncated at 0.01" in printed
    assert len(printed) == 2 + len(SOURCES) + 1 + 3 + 4 + 5 + 1


def test_assumptions_are_printed_with_their_reasons_and_decide_the_numbers(tmp_path):
    printed = "\n".join(lines(plan("paper", cores=16, hours=4.0)))
    assert "kept_share 0.8, 0.8: of raw bytes, after cleaning, deduplication and decontamination; 0.97 was" in printed
    assert "raw_compression 3, 2: text to what is downloaded; as Parquet 2.6 (Snappy) to 3.8 (zstd)" in printed
    assert "epochs as Table 8, 1: Table 8 gives none for text" in printed
    rates = read_yaml(RATES)
    assert rates["assumed"]["kept_share"]["text"] == 0.8
    rates["assumed"]["kept_share"]["text"] = 0.4
    other = tmp_path / "rates.yaml"
    other.write_text(json.dumps(rates), encoding="utf-8")
    before, after = (
        {row["source"]: row for row in plan("paper", cores=1, hours=1.0, rates=path)["sources"]}
        for path in (RATES, other)
    )
    assert after["dm_mathematics"]["raw_bytes"] == pytest.approx(2 * before["dm_mathematics"]["raw_bytes"])
    assert after["python"] == before["python"]
    # From the hub everything in the manifest is read, so keeping less of it means more epochs.
    assert after["books"]["raw_bytes"] == before["books"]["raw_bytes"]
    assert after["books"]["epochs"] == pytest.approx(2 * before["books"]["epochs"])
    assert after["books"]["tokens"] == before["books"]["tokens"]


def test_a_small_scale_is_printed_in_small_units():
    head, titles, *rows = lines(plan("demo", cores=1, hours=1.0))
    assert head.startswith("Scale demo: ") and "thousand tokens" in head
    assert all(title in titles for title in ("tokens, K", "raw, MB", "disk, MB", "CPU seconds"))
    python = rows[0].split()
    assert all(float(python[column]) > 0 for column in (1, 4, 5, 6, 7, 8))


@pytest.mark.parametrize(("cores", "hours"), [(0, 1.0), (1, 0.0)])
def test_an_empty_job_is_refused(cores, hours):
    with pytest.raises(SystemExit, match="must be above zero"):
        plan("demo", cores=cores, hours=hours)
