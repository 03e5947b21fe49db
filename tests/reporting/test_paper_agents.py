"""Tables 4 to 7 and Figure 5: every cell is a whole number of episodes, and every sum holds, except where marked."""

from pathlib import Path

import pytest

from lemur.reporting.paper import AgentTable, PaperTables, load

TABLES = Path(__file__).parents[2] / "data/paper/tables.yaml"
SOLVED = {  # of MINT's published trajectories (facts of the issue), with and without GPT-4's feedback
    "Llama-2-70B-Chat": ((64, 12), (73, 27)),
    "CodeLlama-34B-INST": ((47, 3), (64, 5)),
    "Lemur-70B-Chat": ((100, 37), (103, 61)),
    "gpt-3.5-turbo": ((116, 40), (159, 53)),
    "gpt-4": ((211, 81), None),
}
ALFWORLD = {
    "Llama-2-70B-Chat": 29,
    "CodeLlama-34B-INST": 50,
    "Lemur-70B-Chat": 80,
    "gpt-3.5-turbo": 56,
    "gpt-4": 113,
}


@pytest.fixture(scope="module")
def tables() -> PaperTables:
    return load(TABLES)


def count(score: float, items: int) -> int | None:
    """The number of `items` that gives `score` with two digits, if there is one."""
    nearest = round(score * items / 100)
    return nearest if abs(round(100 * nearest / items, 2) - score) < 0.001 else None


def counts(table: AgentTable, model: str) -> dict[str, int | None]:
    row = next(row for row in table.rows if row.model == model)
    return {task.key: count(score, task.items) for task, score in zip(table.tasks, row.scores, strict=True)}


@pytest.mark.parametrize("name", ["table4", "table5", "table7"])
def test_scores_are_whole_numbers_of_episodes_except_where_marked(tables: PaperTables, name: str) -> None:
    table: AgentTable = getattr(tables, name)
    wrong = {(row.model, key) for row in table.rows for key, k in counts(table, row.model).items() if k is None}
    marked = {(slip.row, slip.column) for slip in table.slips if "no whole number" in slip.why}
    assert wrong == marked
    assert (
        marked
        == {
            "table4": set(),
            "table5": {("gpt-3.5-turbo", "ic_bash"), ("gpt-4", "ic_bash"), ("gpt-4", "ic_sql")},
            "table7": {("gpt-3.5-turbo", "webarena")},
        }[name]
    )
    for slip in table.slips:
        assert slip.row in SOLVED and slip.column in {task.key for task in table.tasks}


def test_averages_of_table_4_are_those_over_all_items(tables: PaperTables) -> None:
    items = sum(task.items for task in tables.table4.tasks)
    assert items == 316
    for row in tables.table4.rows:
        solved = sum(k or 0 for k in counts(tables.table4, row.model).values())
        assert solved == SOLVED[row.model][0][0]
        assert row.average == round(100 * solved / items, 2)


def test_lemur_of_tables_4_5_and_7_is_its_published_trajectories(tables: PaperTables) -> None:
    reasoning = {"gsm8k": 28, "math": 6, "theoremqa": 4, "hotpotqa": 19, "mmlu": 43}
    assert counts(tables.table4, "Lemur-70B-Chat") == reasoning
    code = counts(tables.table5, "Lemur-70B-Chat")
    assert (code["humaneval"], code["mbpp"], code["ic_sql"]) == (21, 16, 763)
    for model, solved in ALFWORLD.items():
        assert counts(tables.table7, model)["alfworld"] == solved


def test_table_6_follows_from_counts_except_where_marked(tables: PaperTables) -> None:
    table = tables.table6
    keys = [group.key for group in table.groups]
    assert [group.items for group in table.groups] == [316, 136, 452]
    wrong = set()
    for row in table.rows:
        for setting, printed, solved in zip(
            ("alone", "feedback"), (row.alone, row.feedback), SOLVED[row.model], strict=True
        ):
            assert (printed is None) == (solved is None)
            if printed and solved:
                for group, score, k in zip(table.groups, printed, (*solved, sum(solved)), strict=True):
                    if abs(round(100 * k / group.items, 2) - score) > 0.001:
                        wrong.add((row.model, setting, group.key))
        alone, feedback = SOLVED[row.model]
        if feedback is None:
            assert row.delta is None
        elif abs(round(100 * (sum(feedback) - sum(alone)) / 452, 2) - (row.delta or 0)) > 0.001:
            wrong.add((row.model, "feedback", "delta"))
    assert wrong == {(slip.row, slip.setting, slip.column) for slip in table.slips}
    assert {slip.column for slip in table.slips if slip.row == "Lemur-70B-Chat"} == {*keys, "delta"}


def test_what_table_6_prints_for_lemur_with_feedback_is_consistent_in_itself(tables: PaperTables) -> None:
    row = next(row for row in tables.table6.rows if row.model == "Lemur-70B-Chat")
    assert row.feedback
    assert [count(score, n) for score, n in zip(row.feedback, (316, 136, 452), strict=True)] == [113, None, 174]
    assert row.delta == round(100 * (174 - 137) / 452, 2)
    found = [slip.found for slip in tables.table6.slips if slip.row == "Lemur-70B-Chat"]
    for text, (k, n) in zip(found, ((103, 316), (61, 136), (164, 452), (27, 452)), strict=True):
        assert text == f"{k}/{n} = {100 * k / n:.2f}"


def test_gpt_4_in_table_6_is_averaged_over_alfworld_too(tables: PaperTables) -> None:
    row = next(row for row in tables.table6.rows if row.model == "gpt-4")
    assert row.alone[2] == round(100 * (211 + 81 + 113) / 586, 2)
    assert next(slip.found for slip in tables.table6.slips if slip.row == "gpt-4") == f"292/452 = {29200 / 452:.2f}"


def test_table_6_alone_repeats_table_4(tables: PaperTables) -> None:
    for four, six in zip(tables.table4.rows, tables.table6.rows, strict=True):
        assert (four.model, four.average) == (six.model, six.alone[0])
        code = [k for key, k in counts(tables.table5, six.model).items() if key in ("humaneval", "mbpp")]
        assert sum(k or 0 for k in code) == SOLVED[six.model][0][1]


def test_three_webarena_scores_of_lemur(tables: PaperTables) -> None:
    (slip,) = [slip for slip in tables.table7.slips if slip.row == "Lemur-70B-Chat"]
    assert [count(score, 812) for score in (5.30, 5.67, 5.79)] == [43, 46, 47]
    assert "5.30 (43/812)" in slip.printed and "5.79 (47/812)" in slip.found and "5.67 (46/812)" in slip.why
    symbolic = {row.model: row.symbolic for row in tables.figure5.rows}
    for row in tables.table7.rows:
        assert symbolic.get(row.model, row.scores[1]) == row.scores[1]
    assert [count(row.programming, 812) for row in tables.figure5.rows] == [17, 38, 46]


def test_a_missing_score_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "tables.yaml"
    text = TABLES.read_text(encoding="utf-8")
    broken.write_text(text.replace("scores: [33.33, ", "scores: ["), encoding="utf-8")
    with pytest.raises(ValueError, match="Llama-2-70B-Chat has 4 scores; it needs 5"):
        load(broken)
    broken.write_text(text.replace("scores: [33.33, ", "scores: [133.33, "), encoding="utf-8")
    with pytest.raises(ValueError, match=r"table4\.rows\.0\.scores\.0: .*not 133\.33"):
        load(broken)
