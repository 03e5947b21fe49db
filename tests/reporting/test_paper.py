"""The paper's tables as data: sums hold except where a slip is marked, and slips are marked nowhere else."""

import math
from pathlib import Path

import pytest

from lemur.reporting.paper import PaperTables, load

TABLES = Path(__file__).parents[2] / "data/paper/tables.yaml"


@pytest.fixture(scope="module")
def tables() -> PaperTables:
    return load(TABLES)


def test_averages_of_table_3_are_plain_means_except_where_marked(tables: PaperTables) -> None:
    wrong = {row.model for row in tables.table3.rows if abs(sum(row.scores) / 8 - row.average) > 0.0501}
    assert wrong == {slip.row for slip in tables.table3.slips if slip.column == "average"} == {"Lemur-70B-Chat"}
    assert round(sum(tables.table3.scores("Lemur-70B-Chat").values()) / 8, 2) == 56.24


@pytest.mark.parametrize("benchmark", ["humaneval", "mbpp"])
def test_scores_are_whole_numbers_of_problems_except_where_marked(tables: PaperTables, benchmark: str) -> None:
    items = next(b.items for b in tables.table3.benchmarks if b.key == benchmark)
    assert items

    def reachable(score: float) -> bool:
        k = score * items / 100
        return any(abs(round(100 * n / items, 1) - score) < 0.01 for n in (math.floor(k), math.ceil(k)))

    wrong = {row.model for row in tables.table3.rows if not reachable(tables.table3.scores(row.model)[benchmark])}
    assert wrong == {slip.row for slip in tables.table3.slips if slip.column == benchmark}


def test_gains_in_section_4_1_follow_from_the_printed_averages(tables: PaperTables) -> None:
    average = {row.model: row.average for row in tables.table3.rows}
    assert average["Lemur-70B"] - average["Llama-2-70B"] == pytest.approx(4.3)
    assert average["Lemur-70B-Chat"] - average["Llama-2-70B-Chat"] == pytest.approx(14.8)
    assert average["Lemur-70B"] - average["CodeLlama-34B"] == pytest.approx(1.9)
    assert average["Lemur-70B-Chat"] - average["CodeLlama-34B-INST"] == pytest.approx(9.4)


def test_table_1_sums_to_the_total_in_its_slip(tables: PaperTables) -> None:
    total = sum(row.instances for row in tables.table1.rows)
    assert total == 367_817
    assert f"{total:,}" == tables.table1.slips[0].found


def test_table_8_weights_tokens_and_groups(tables: PaperTables) -> None:
    rows = tables.table8.rows
    assert len(rows) == 16
    weights = {g: sum(row.weight for row in rows if row.group == g) for g in ("code", "text")}
    assert weights == {"code": pytest.approx(90.80), "text": pytest.approx(9.10)}
    assert sum(row.tokens for row in rows) == pytest.approx(89.89)
    for row in rows:  # printed tokens are weight times 90 B, truncated or rounded to two digits
        assert row.tokens == pytest.approx(row.weight * tables.table8.total_tokens / 100, abs=0.0101)
        assert (row.epochs is None) == (row.group == "text")
    for group in tables.table8.groups:
        assert group.weight == pytest.approx(weights[group.name], abs=0.11)
    assert weights["code"] / weights["text"] == pytest.approx(10, abs=0.05)


def test_slips_refer_to_existing_rows(tables: PaperTables) -> None:
    for slip in tables.table3.slips:
        assert slip.row in {row.model for row in tables.table3.rows}
    for slip in tables.table1.slips:
        assert slip.row in {None, *(row.name for row in tables.table1.rows)}


def test_an_invalid_field_is_reported_with_its_path(tmp_path: Path) -> None:
    broken = tmp_path / "tables.yaml"
    broken.write_text(
        TABLES.read_text(encoding="utf-8").replace("instances: 34546", "instances: many"), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"tables\.yaml: table1\.rows\.0\.instances.*'many'"):
        load(broken)
    broken.write_text(TABLES.read_text(encoding="utf-8").replace("scores: [30.8, ", "scores: ["), encoding="utf-8")
    with pytest.raises(ValueError, match="StarCoder-15B has 7 scores; it needs 8"):
        load(broken)
    broken.write_text("paper: [", encoding="utf-8")
    with pytest.raises(ValueError, match="not YAML"):
        load(broken)
