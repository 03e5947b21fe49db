import json
import sys

import pytest

from lemur import __main__ as cli
from lemur.corpus.data_plan import RATES, lines, plan
from lemur.corpus.sources import SOURCES
from lemur.pipeline.files import read_yaml


def test_the_paper_s_plan_sums_to_table_8():
    found = plan("paper", cores=16, hours=4.0)
    assert found["total_tokens"] == 90_000_000_000
    assert found["total"]["tokens"] == pytest.approx(90e9, rel=1e-9)
    assert found["total"]["paper_tokens"] == pytest.approx(89.89e9)  # the printed rows' own sum
    assert [row["source"] for row in found["sources"]] == list(SOURCES)
    for row in found["sources"]:
        # Weights are printed to 0.01 % (0.0045 billion) and sum to 99.9 %; tokens are cut off at 0.01 billion.
        bound = 0.0145e9 + 0.001 * row["tokens"]
        assert abs(row["tokens"] - row["paper_tokens"]) <= bound, row["source"]
    code = sum(row["tokens"] for row in found["sources"] if row["group"] == "code")
    assert code / found["total"]["tokens"] == pytest.approx(10 / 11, abs=0.001)


def test_what_follows_from_the_tokens():
    found = plan("paper", cores=1, hours=1.0)
    rows = {row["source"]: row for row in found["sources"]}
    python, java = rows["python"], rows["java"]
    assert python["source_tokens"] * 2.98 == pytest.approx(python["tokens"])
    assert (
        java["raw_bytes"] > python["raw_bytes"] > python["source_tokens"]
    )  # 0.06 epochs: nearly all of it is not used
    assert python["token_shards"] == -(-python["tokens"] // (65536 * 4096))
    for row in rows.values():
        assert row["jobs"] >= row["cpu_hours"] > 0
        assert row["disk_bytes"] > row["raw_bytes"] > row["downloaded_bytes"] > 0
    assert plan("paper", cores=4, hours=2.0)["total"]["jobs"] < found["total"]["jobs"]
    assert sum(row["cpu_hours"] for row in rows.values()) == pytest.approx(found["total"]["cpu_hours"])


def test_every_scale_can_be_planned_and_others_are_named():
    for scale in ("demo", "tiny", "mirror", "small", "paper"):
        found = plan(scale, cores=2, hours=1.0)
        assert found["total"]["tokens"] == pytest.approx(found["total_tokens"])
    with pytest.raises(SystemExit, match=r"'huge' is not known; there are demo, .*paper, small, tiny"):
        plan("huge", cores=1, hours=1.0)


def test_command_prints_a_table_or_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lemur", "plan-data", "--json"])
    cli.main()
    assert json.loads(capsys.readouterr().out)["total"]["tokens"] == pytest.approx(90e9)
    printed = list(lines(plan("paper", cores=16, hours=4.0)))
    (total,) = (line for line in printed if line.lstrip().startswith("total"))
    assert "90.00" in total and "89.89" in total
    assert "Tokens sum to 90.00 billion; the printed rows of Table 8 to 89.89, each cut off at 0.01" in printed
    assert len(printed) == 2 + len(SOURCES) + 1 + 2 + 4 + 1


def test_what_is_assumed_is_printed_with_its_reason_and_decides_the_numbers(tmp_path):
    printed = "\n".join(lines(plan("paper", cores=16, hours=4.0)))
    assert "kept_share 0.8, 0.8: of raw bytes, after cleaning, deduplication and decontamination; 0.97 was" in printed
    assert "raw_compression 3, 2: text to what is downloaded; as Parquet 2.6 (Snappy) to 3.8 (zstd)" in printed
    assert "epochs as Table 8, 1: Table 8 gives none for text" in printed
    rates = read_yaml(RATES)
    rates["assumed"]["kept_share"]["text"] = 0.4
    other = tmp_path / "rates.yaml"
    other.write_text(json.dumps(rates))
    before, after = (
        {row["source"]: row for row in plan("paper", cores=1, hours=1.0, rates=path)["sources"]}
        for path in (RATES, other)
    )
    assert after["books"]["raw_bytes"] == pytest.approx(2 * before["books"]["raw_bytes"])
    assert after["python"] == before["python"]
    assert after["books"]["tokens"] == before["books"]["tokens"]
