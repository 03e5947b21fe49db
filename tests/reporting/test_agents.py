"""Tables 4 to 7: what is printed, what the published episodes give, ours; absent results give reasons."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lemur.core.records import Record, write_json
from lemur.pages.page_parts import Cell, Link, Missing, Table
from lemur.reporting.agents import by_task, figure4, published, table6, turns
from lemur.reporting.inputs import Inputs
from lemur.reporting.paper import PaperTables, load

TABLES = Path(__file__).parents[2] / "data/paper/tables.yaml"
NOTHING = Inputs(stages={}, curves={}, results={})
LEMUR = {  # solved of the published episodes (facts of the issue), by the paper's rule; strict is made up
    "gsm8k": (48, 28, 27),
    "math": (100, 6, 6),
    "theoremqa": (49, 4, 3),
    "hotpotqa": (43, 19, 11),
    "mmlu": (76, 43, 40),
    "reasoning": (316, 100, 87),
    "code": (136, 37, 37),
    "micro": (452, 137, 124),
    "alfworld": (134, 80, None),
}
TAUGHT = {"reasoning": (316, 103, 90), "code": (136, 61, 61), "micro": (452, 164, 151)}
BY_TURNS = [3.75, 26.96, 35.67, 37.54, 37.03]


@pytest.fixture(scope="module")
def paper() -> PaperTables:
    return load(TABLES)


def run(cells: dict[str, Any], **setting: Any) -> Record:
    return {
        **{"feedback": "none", "form": "", "turns": 5, "proposals": 2, **setting},
        "cells": {
            part: {
                "items": n,
                "recorded": k,
                "paper": k,
                "strict": strict,
                "changed": k - (k if strict is None else strict),
            }
            for part, (n, k, strict) in cells.items()
        },
    }


@pytest.fixture
def rescored(tmp_path: Path) -> published.Published:
    model = {
        "runs": [
            run({"gsm8k": (48, 1, 1)}, turns=1, proposals=1),
            run(TAUGHT, feedback="gpt-4-0613", form="GT-textual"),
            run(LEMUR),
            run(TAUGHT, feedback="gpt-4-0613", form="no_GT-textual"),
        ],
        "by_turns": {"all": {"paper": {"turns": BY_TURNS, "improvement": 7.714}}},
        "delta": {},
    }
    write_json(tmp_path / "published.json", {"models": {"lemur-70b-chat-v1": model, "unknown": {}}})
    return published.load(tmp_path)


def ours(**more: Any) -> Inputs:
    def values(paper: float | None, strict: float | None, episodes: int, **rest: float) -> Record:
        return {
            "success,paper": paper,
            "success,strict": strict,
            "success_stderr,paper": 0.1,
            "episodes": episodes,
        } | rest

    mint = {
        "results": {
            "mint": values(0.25, 0.125, 8, **{"improvement_rate,paper": 0.05, "improvement_rate,strict": 0.0}),
            "mint_reasoning": values(0.5, 0.25, 4),
            "mint_code": values(0.0, 0.0, 4),
            "mint_gsm8k": values(0.5, 0.25, 4),
            "mint_humaneval": values(None, None, 0),
            "mint_turns_1": values(0.1, 0.1, 8),
            "mint_turns_2": values(0.15, 0.1, 8),
        },
        "configs": {
            "mint": {
                "data": {"place": "bundled", "sample": True},
                "search": {"kind": "recorded+local-wiki", "recorded": {"queries": 3}},
            }
        },
        "counts": {"mint": {"fault": 2, "rules_disagree": 1}},
        "n-samples": {"mint": {"original": 10, "effective": 10}},
    }
    feedback = {
        "results": {
            "mint_feedback": values(0.5, 0.25, 8),
            "mint_feedback_reasoning": values(0.75, 0.5, 4),
            "mint_feedback_code": values(0.25, 0.0, 4),
        },
        "configs": {
            "mint_feedback": {"data": {"place": "mirror"}, "teacher": {"name": "lemur_chat", "model_hash": "ab" * 9}}
        },
        "n-samples": {"mint_feedback": {"original": 10, "effective": 8}},
    }
    skipped = {"results": {"alfworld": {"skipped": "the source alfworld is left out"}}, "configs": {"alfworld": {}}}
    results = {"lemur_chat": {"mint": mint, "mint_feedback": feedback, "alfworld": skipped}, "lemur": more}
    return Inputs(stages={}, curves={}, results=results)


def rows(table: Table) -> dict[tuple[str, ...], dict[str, Cell]]:
    keys = [key for key in ("model", "numbers", "setting", "tasks", "rule") if any(c.key == key for c in table.columns)]
    return {tuple(str(row[key]) for key in keys): row for row in table.rows}


def rounded(row: dict[str, Cell], *keys: str) -> list[float | str | None]:
    return [
        round(cell, 2) if isinstance(cell, float | int) else cell.reason if isinstance(cell, Missing) else str(cell)
        for cell in (row.get(key) for key in keys)
    ]


def test_table_4_has_printed_rescored_and_our_rows(paper: PaperTables, rescored: published.Published) -> None:
    table = by_task.table(paper.table4, by_task.TABLE4, rescored, ours())
    found = rows(table)
    cells = ("gsm8k", "math", "theoremqa", "hotpotqa", "mmlu", "average")
    printed = rounded(found["Lemur-70B-Chat", "as printed"], *cells)
    assert printed == [58.33, 6.0, 8.16, 44.19, 56.58, 31.65]
    assert rounded(found["Lemur-70B-Chat", "rescored, paper's rule"], *cells) == printed
    strict = found["Lemur-70B-Chat", "rescored, strict rule"]
    assert rounded(strict, "gsm8k", "average", "changed", "episodes") == [56.25, 27.53, 13, 316]
    assert ("gpt-4", "rescored, paper's rule") not in found
    mine = found["Lemur-Chat (ours)", "ours, paper's rule"]
    assert rounded(mine, "gsm8k", "average", "episodes") == [50.0, 50.0, 4]
    assert mine["open"] == Link("open", "../episodes/lemur_chat/mint.html")
    assert rounded(mine, "math") == ["MINT of Lemur-Chat: no episodes of this kind were played"]
    assert rounded(found["Lemur-Chat (ours)", "ours, strict rule"], "gsm8k") == [25.0]
    assert rounded(found["Lemur (ours)", "ours"], "gsm8k", "average") == ["MINT: not run yet"] * 2
    note = next(note for note in table.notes if note.startswith("MINT of Lemur-Chat (ours)"))
    assert note == (
        "MINT of Lemur-Chat (ours): 10 of 10 tasks; a sample written for this project (bundled); search: "
        "recorded+local-wiki; episodes whose environment failed, left out: 2; verdicts that the strict rule changes: 1."
    )


def test_table_5_says_what_was_not_played(paper: PaperTables, rescored: published.Published) -> None:
    found = rows(by_task.table(paper.table5, by_task.TABLE5, rescored, ours()))
    mine = found["Lemur-Chat (ours)", "ours, paper's rule"]
    assert rounded(mine, "humaneval", "ic_sql", "ic_bash") == [
        "some verdicts could not be decided here",
        "IC-SQL: not run yet",
        "IC-Bash: not run yet",
    ]
    assert rounded(found["Lemur (ours)", "ours"], "ic_sql") == ["IC-SQL: only Lemur-Chat plays it, as in the paper"]
    assert mine["open"] == Link("open", "../episodes/index.html")


def test_table_5_has_robocodegen_and_its_baselines(paper: PaperTables, rescored: published.Published) -> None:
    result = {
        "results": {"robocodegen": {"episodes": 37.0, "success,paper": 28 / 37, "success,strict": 27 / 37}},
        "configs": {"robocodegen": {"data": {"place": "mirror"}}},
    }
    best = {"success,paper": {"reference": 1.0, "constant": 27 / 37, "answer": "np.empty((0, 1, 1))"}}
    inputs = Inputs(stages={}, curves={}, results={"lemur_chat": {"robocodegen": result}})
    inputs = replace(inputs, baselines={"robocodegen": {"metrics": best}})
    found = rows(by_task.table(paper.table5, by_task.TABLE5, rescored, inputs))
    assert rounded(found["Lemur-Chat (ours)", "ours, paper's rule"], "robocodegen", "episodes") == [75.68, 37]
    assert rounded(found["Lemur-Chat (ours)", "ours, strict rule"], "robocodegen") == [72.97]
    assert rounded(found["Best constant message", "without a model, paper's rule"], "robocodegen") == [72.97]


LOGS = {
    "intercode_sql/gpt-3.5": {"episodes": 1034, "solved": 753, "success": 753 / 1034, "by_turns": [0.68, 0.71]},
    **{
        f"intercode_bash/fs_{part}/gpt-3.5": {"episodes": episodes, "solved": solved, "by_turns": [0.4]}
        for part, episodes, solved in ((1, 60, 27), (3, 60, 27), (4, 27, 13))
    },
}


def test_intercodes_logs_are_in_table_5_and_figure_4(paper: PaperTables, tmp_path: Path) -> None:
    write_json(tmp_path / "published_intercode.json", {"logs": LOGS})
    episodes = published.load(tmp_path)
    found = rows(by_task.table(paper.table5, by_task.TABLE5, episodes, ours()))
    assert rounded(found["gpt-3.5-turbo", "rescored, paper's rule"], "ic_sql", "ic_bash") == [72.82, 45.58]
    curve = {str(turns): {"success,paper": turns / 10} for turns in range(1, 4)}
    sql = {"results": {"intercode_sql": {"success,paper": 0.3, "by_turns": curve}}}
    inputs = Inputs(stages={}, curves={}, results={"lemur_chat": {"intercode_sql": sql}})
    table = figure4.table(paper.table5, episodes, inputs)
    found = rows(table)
    assert rounded(found["Lemur-70B-Chat", "as printed"], "k10") == [73.79]
    assert rounded(found["gpt-3.5-turbo", "rescored, paper's rule"], "k1", "k2", "k3") == [68.0, 71.0, "None"]
    assert rounded(found["Lemur-Chat (ours)", "ours, paper's rule"], "k1", "k3", "k4") == [10.0, 30.0, "None"]
    for name in ("one.png", "two.png"):
        figure4.draw(paper.table5, episodes, inputs, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    nothing = figure4.table(paper.table5, published.Published(), Inputs(stages={}, curves={}, results={}))
    assert rounded(rows(nothing)["Lemur-Chat (ours)", "ours, paper's rule"], "k1") == ["IC-SQL: not run yet"]


def test_table_6_never_shows_the_number_that_the_episodes_do_not_give(
    paper: PaperTables, rescored: published.Published
) -> None:
    table = table6.table(paper.table6, rescored, ours())
    found = rows(table)
    cells = ("reasoning", "code", "micro", "delta")
    printed = found["Lemur-70B-Chat", "as printed", "with feedback"]
    assert rounded(printed, *cells) == [32.59, 44.86, 36.28, 5.97]
    assert rounded(found["Lemur-70B-Chat", "rescored, paper's rule", "with feedback"], *cells) == [
        32.59,
        44.85,
        36.28,
        5.97,
    ]
    shown, notes = table.formatted()
    assert not any("35.76" in cell for row in shown for cell in row)
    assert any("32.59 †" in cell for row in shown for cell in row)
    assert any(
        note.startswith("† Lemur-70B-Chat, with feedback, Reasoning: printed 35.76 (113/316), but") for note in notes
    )
    assert rounded(found["gpt-4", "as printed", "no feedback"], "micro") == [69.11]
    assert ("gpt-4", "as printed", "with feedback") not in found
    mine = found["Lemur-Chat (ours)", "ours, paper's rule", "with feedback"]
    assert rounded(mine, *cells, "episodes") == [75.0, 25.0, 50.0, 25.0, 8]
    assert mine["open"] == Link("open", "../episodes/lemur_chat/mint_feedback.html")
    assert any("teacher: lemur_chat (abababababab)" in note for note in table.notes)


def test_table_7_skipped_and_undecided_are_dashes_with_reasons(
    paper: PaperTables, rescored: published.Published
) -> None:
    table = by_task.table(paper.table7, by_task.TABLE7, rescored, ours())
    found = rows(table)
    assert rounded(found["Lemur-70B-Chat", "rescored, paper's rule"], "alfworld", "ic_ctf") == [
        59.7,
        "no published trajectories without feedback here",
    ]
    assert rounded(found["Lemur-70B-Chat", "rescored, strict rule"], "alfworld") == [
        "some verdicts could not be decided here"
    ]
    skipped = "ALFWorld of Lemur-Chat skipped: the source alfworld is left out"
    assert rounded(found["Lemur-Chat (ours)", "ours"], "alfworld") == [skipped]
    shown, notes = table.formatted()
    assert any("5.30 †" in cell for row in shown for cell in row)
    assert any("5.79 (47/812)" in note and note.startswith("† Lemur-70B-Chat, WebArena") for note in notes)


def test_success_by_turns(paper: PaperTables, rescored: published.Published, tmp_path: Path) -> None:
    found = rows(turns.table(rescored, ours()))
    lemur = found["Lemur-70B-Chat", "all", "paper's rule"]
    assert rounded(lemur, "k1", "k2", "k3", "k4", "k5", "slope") == [*BY_TURNS, 7.71]
    mine = found["Lemur-Chat (ours)", "reasoning and code", "paper's rule"]
    assert rounded(mine, "k1", "k2", "k3", "slope") == [10.0, 15.0, "None", 5.0]
    assert rounded(found["Lemur (ours)", "ALFWorld", "paper's rule"], "k1") == ["ALFWorld: not run yet"]
    for name, (episodes, inputs) in {"some": (rescored, ours()), "none": (published.Published(), NOTHING)}.items():
        turns.draw(episodes, inputs, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_without_results_every_cell_of_ours_has_its_reason(paper: PaperTables, tmp_path: Path) -> None:
    nothing = published.load(tmp_path)
    for printed, layout in ((paper.table4, by_task.TABLE4), (paper.table7, by_task.TABLE7)):
        table = by_task.table(printed, layout, nothing, NOTHING)
        found = rows(table)
        assert len(table.rows) == len(printed.rows) + 3
        key = printed.tasks[-1].key
        assert rounded(found["The paper's models", "rescored"], key) == ["published trajectories were not scored yet"]
        assert "not run yet" in str(rounded(found["Lemur (ours)", "ours"], key)[0])
    assert table6.table(paper.table6, nothing, NOTHING).formatted()
    write_json(tmp_path / "published.json", {"skipped": "source mint of place bundled has no published trajectories"})
    reason = published.load(tmp_path).cell("Lemur-70B-Chat", "gsm8k")
    assert isinstance(reason, Missing) and reason.reason.endswith("mint of place bundled has no published trajectories")
