from typing import Any

from lemur.pages.page_parts import Missing
from lemur.reporting import spider
from lemur.reporting.inputs import Inputs


def scores(execution: float | None, exact: float) -> dict[str, float | None]:
    return {
        "execution_accuracy,paper": execution,
        "execution_accuracy,strict": execution,
        "exact_set_match,none": exact,
    }


RESULT: dict[str, Any] = {
    "results": {
        "spider": scores(0.5, 0.25),
        "spider_hardness_easy": scores(0.75, 0.375),
        "spider_hardness_extra": scores(None, 0.0),
    },
    "configs": {"spider": {"hardness": {"extra": 4, "easy": 8}}},
    "counts": {"spider": {"undecided": 4}},
}


def test_one_row_per_hardness_after_all() -> None:
    table = spider.table(Inputs(stages={}, curves={}, results={"lemur": {"spider": RESULT}}))
    assert [(row["model"], row["hardness"], row["questions"]) for row in table.rows] == [
        ("Lemur", "all", 12),
        ("Lemur", "easy", 8),
        ("Lemur", "extra", 4),
    ]
    assert [row["set_match"] for row in table.rows] == [25.0, 37.5, 0.0]
    assert table.rows[0]["undecided"] == 4 and "undecided" not in table.rows[1]
    assert [row["execution"] for row in table.rows[:2]] == [50.0, 75.0]
    assert isinstance(table.rows[2]["execution"], Missing)


def test_without_a_result_there_is_a_note() -> None:
    skipped = {"results": {"spider": {"skipped": "the source spider is left out"}}, "configs": {"spider": {}}}
    table = spider.table(Inputs(stages={}, curves={}, results={"lemur": {"spider": skipped}}))
    assert not table.rows and table.notes == ["Spider was not run."]
