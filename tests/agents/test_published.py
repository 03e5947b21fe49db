"""Recorded trajectories read as episodes, scored again and tabulated; hand-made ones in MINT's format."""

from pathlib import Path

import pytest

from lemur.agents.episodes.episode import from_record
from lemur.agents.published.folders import Setting, find, items_below
from lemur.agents.published.rescore import NOT_WON, UNEXPLAINED, changes, disagreements, may_have_won, rescore
from lemur.agents.published.tables import by_turns, cells, delta, improvement, summary
from lemur.agents.published.trajectories import Recorded, read
from lemur.agents.scoring import reasons
from lemur.core.records import Record, dump, write_jsonl
from tests.agents.recorded import row, write

FEEDBACK = "\nExpert feedback:\nThis is GOOD.\n"
OPTIONS = "Which?\nOptions: A ) 6 , B ) 120"


def recorded(tmp_path: Path, task: str, *rows: Record) -> list[Recorded]:
    return list(read(write(tmp_path, task, rows), task))


def test_a_line_becomes_an_episode_and_back(tmp_path: Path) -> None:
    answers = [
        "<thought>t</thought>\n<execute>\nprint(1)\n</execute>",
        "hm",
        "<solution> 7 </solution>s",
        "is <solution>6</solution>",
    ]
    (one,) = recorded(tmp_path, "gsm8k", row(answers, success=True, reason="task_success", feedback=FEEDBACK))
    assert one.episode.id == "gsm8k/0" and one.episode.ended == "solved" and one.recorded == {"paper": True}
    turns = one.episode.turns
    assert [turn.answer for turn in turns] == answers
    assert [(turn.step.action.kind, turn.step.action.text) for turn in turns] == [
        ("tool", "print(1)"),
        ("invalid", ""),
        ("solution", "7"),
        ("solution", "6"),
    ]
    assert turns[0].step.observation == "Your answer is wrong." and turns[0].feedback == "This is GOOD."
    assert [turn.step.left["turns"] for turn in turns] == [4, 3, 2, 1]
    assert [turn.step.left["proposals"] for turn in turns] == [2, 2, 1, 0]
    assert [turn.step.ended for turn in turns] == [None, None, None, "solved"]
    assert turns[-1].message == "" and turns[0].message.startswith("Observation:\n")
    assert [message["role"] for message in one.episode.transcript()] == ["user", "assistant"] * 4
    assert from_record(one.record({"paper": True, "strict": True})) == one.episode


def test_several_tags_are_joined_and_an_empty_proposal_is_invalid(tmp_path: Path) -> None:
    answers = ["<solution> 6 </solution> or\n<solution>\n7\n</solution>", "<solution></solution>", "<solution>6"]
    (one,) = recorded(tmp_path, "gsm8k", row(answers))
    actions = [turn.step.action for turn in one.episode.turns]
    assert [(action.kind, action.text) for action in actions] == [
        ("solution", "6\n7"),
        ("invalid", ""),
        ("invalid", ""),
    ]


def test_later_versions_wrote_code_in_blocks(tmp_path: Path) -> None:
    (one,) = recorded(tmp_path, "gsm8k", row(["```python\nprint(1)\n```", "<solution>6</solution>"]))
    assert one.episode.turns[0].step.action.text == "print(1)"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_mint_logs_no_message_for_an_empty_answer(place: int, tmp_path: Path) -> None:
    answers = ["a", "b", "<solution>6</solution>"]
    answers[place] = ""
    (one,) = recorded(tmp_path, "gsm8k", row(answers, reason="max_steps"))
    assert [turn.answer for turn in one.episode.turns] == answers


def test_an_error_is_the_context_or_a_fault(tmp_path: Path) -> None:
    long = "InvalidRequestError\nThis model's maximum context length is 4096 tokens."
    first, second, third = recorded(
        tmp_path,
        "gsm8k",
        row(["a"], reason="error", error=long),
        row(["a"], reason="error", error="Traceback\nTimeout: no answer"),
        row([], reason="error", error=long),
    )
    assert (first.episode.ended, len(first.episode.turns)) == ("context", 1)
    assert (second.episode.ended, second.episode.fault) == ("fault", "Timeout: no answer")
    assert (third.episode.ended, len(third.episode.turns)) == ("context", 0)
    assert cells(rescore([first, second, third]))["gsm8k"]["items"] == 3  # MINT counts them as failures


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "results.jsonl:2: Expecting property name"),
        ("[]", "results.jsonl:2: list indices"),
        ('{"state": {}}', "results.jsonl:2: no 'task'; expected are MINT's results.jsonl"),
        (dump(row(["a"]) | {"task": {"task_id": 0, "prompt": "x"}}), "results.jsonl:2: no 'reference'"),
        (dump(row(["a"], success="yes")), "results.jsonl:2: success is 'yes'; true or false"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(line: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, "gsm8k", [row(["a"])])
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError) as error:
        list(read(path, "gsm8k"))
    assert message in str(error.value)


def test_a_task_is_known_from_its_folder_or_named_as_unknown(tmp_path: Path) -> None:
    path = write(tmp_path, "trivia", [row(["a"])])
    with pytest.raises(ValueError, match="task 'trivia', known from the file's folder, is none of gsm8k, "):
        list(read(path, "trivia"))


def test_settings_are_read_from_paths(tmp_path: Path) -> None:
    write(tmp_path / "outputs_m", "gsm8k", [row(["a"])])
    write(tmp_path / "outputs_m", "math", [row(["a"])], "F=gpt-4/PHF=no_GT-textual/max5_p2+tool+cd")
    write(tmp_path / "other", "math", [row(["a"])], "F=None/max3_p2+tool+cd")
    logs = find(tmp_path)
    assert [log.setting for log in logs] == [
        Setting("m", "gpt-4", "no_GT-textual", 5, 2),
        Setting("m", "none", "", 5, 2),
        Setting("other", "none", "", 3, 2),
    ]
    assert [log.task for log in logs] == ["math", "gsm8k", "math"]
    assert find(logs[0].path) == [logs[0]]
    with pytest.raises(ValueError, match="no trajectories; expected below it"):
        find(tmp_path / "nothing")


def test_verdicts_are_of_any_proposal_and_name_why_rules_differ(tmp_path: Path) -> None:
    scored = rescore(
        [
            *recorded(
                tmp_path,
                "math",
                row(["<solution>38</solution>"], reference="40", success=True, reason="task_success"),
                row(["<solution>-4</solution>", "<solution>9</solution>"], reference="-4.0", number=1),
                row(["<solution>1</solution>"], reference="2", number=2, success=True),
                row(["a"], reference="2", number=3, reason="max_steps"),
            ),
            *recorded(
                tmp_path,
                "mmlu",
                row(["<solution>B ) 120</solution>"], prompt=OPTIONS, reference="a", success=False),
                row(["<solution>cannot say</solution>"], prompt=OPTIONS, reference="a", number=1, success=True),
            ),
        ]
    )
    assert [(one.solved["paper"], one.solved["strict"]) for one in scored] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
        (False, False),
        (True, False),
    ]
    assert [(row["id"], row["why"]) for row in changes(scored)] == [
        ("math/0", reasons.TOLERANCE),
        ("math/1", reasons.NEGATIVE),
        ("mmlu/1", reasons.NO_OPTION),
    ]
    (differing,) = disagreements(scored)
    assert (differing["id"], differing["recorded"], differing["ours"]) == ("math/2", True, False)
    assert differing["why"] == UNEXPLAINED and differing["answers"] == ["1"]
    assert differing["where"].endswith("results.jsonl:3")
    table = cells(scored)
    assert table["math"] == {
        "items": 4, "recorded": 2, "faults": 0, "paper": 1, "strict": 1, "changed": 2, "unknown": 0
    }  # fmt: skip
    assert "reasoning" not in table  # three of its tasks are missing


def test_recorded_by_a_later_version_of_mint_is_named(tmp_path: Path) -> None:
    rows = [row(["<solution>-4</solution>"], reference="-4.0", success=True)]
    (differing,) = disagreements(rescore(recorded(tmp_path, "math", *rows)))
    assert differing["why"] == reasons.NEGATIVE
    rows = [row(["<solution>(c)</solution>"], reference="c", success=True)]
    (differing,) = disagreements(rescore(recorded(tmp_path, "theoremqa", *rows)))
    assert differing["why"] == reasons.OPTION


def test_a_game_is_solved_as_recorded_and_won_only_if_it_may_have_been(tmp_path: Path) -> None:
    def game(cell: str, success: bool, number: str) -> Record:
        reason = "task_success" if success else "max_steps"
        answers = [f"<execute>{cell}</execute>"]
        return row(answers, reference="plan", success=success, number=number, name="alfworld/put", reason=reason)

    games = recorded(
        tmp_path, "alfworld", game("put('a', 'b')", True, "w/1"), game("goto('x')", True, "l/1"), game("", False, "n/1")
    )
    assert [one.kind for one in games] == ["put"] * 3 and games[0].episode.id == "alfworld/w/1"
    scored = rescore(games)
    assert [dict(one.solved) for one in scored] == [
        {"paper": True, "strict": None},
        {"paper": True, "strict": False},
        {"paper": False, "strict": False},
    ]
    assert cells(scored)["alfworld"]["unknown"] == 1 and cells(scored)["alfworld"]["strict"] is None
    assert [row["why"] for row in changes(scored)] == [NOT_WON]
    replayed = rescore(games, {"alfworld/w/1": True})
    assert cells(replayed)["decision"]["strict"] == 1


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["put('a', 'b')"], True),
        (["use('lamp')"], True),
        (["goto('x')"], False),
        (["put('a', 'b')", "goto('x')"], False),
        (["def finish():\n    put('a', 'b')", "finish()"], True),
        (["computed(1)"], False),
        ([], False),
    ],
)
def test_only_put_or_use_can_win(cells: list[str], expected: bool) -> None:
    assert may_have_won(cells) is expected


def test_improvement_is_the_slope_of_least_squares() -> None:
    assert improvement([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1.0)
    assert improvement([3.0, 3.0]) == 0.0


def test_by_turns_and_with_feedback(tmp_path: Path) -> None:
    right, wrong = ["<solution>6</solution>"], ["<solution>7</solution>"]
    for turns in range(1, 6):
        rows = [row(right if number < turns else wrong, number=number, success=number < turns) for number in range(10)]
        for task in ("gsm8k", "math", "theoremqa", "hotpotqa"):
            reference = {"reference": 6} if task == "theoremqa" else {}
            tasks = [{**line, "task": {**line["task"], **reference}} for line in rows]
            write(tmp_path / "m", task, tasks, f"F=None/max{turns}_p{min(turns, 2)}+tool+cd")
        options = [
            row(["<solution>b</solution>"], prompt=OPTIONS, reference="a", number=number) for number in range(10)
        ]
        write(tmp_path / "m", "mmlu", options, f"F=None/max{turns}_p{min(turns, 2)}+tool+cd")
    taught = [row(right, number=number, success=True) for number in range(10)]
    write(tmp_path / "m", "gsm8k", taught, "F=gpt-4/PHF=no_GT-textual/max5_p2+tool+cd")
    runs = {}
    for log in find(tmp_path):
        runs.setdefault(log.setting, []).extend(read(log.path, log.task))
    tables = {setting: cells(rescore(run)) for setting, run in runs.items()}
    assert by_turns("m", tables)["reasoning"]["paper"] == {
        "turns": pytest.approx([8, 16, 24, 32, 40]),
        "improvement": pytest.approx(8),
    }
    assert "all" not in by_turns("m", tables) and by_turns("other", tables) == {}
    assert delta("m", tables) == {
        "gsm8k": {rule: {"without": 50.0, "with": 100.0, "delta": 50.0} for rule in ("recorded", "paper", "strict")}
    }
    dump(summary({setting: rescore(run) for setting, run in runs.items()}))  # it is JSON


def test_our_own_episodes_are_scored_by_what_they_say_or_by_the_items(tmp_path: Path) -> None:
    lines = [
        *recorded(tmp_path / "published", "theoremqa", row(["<solution>-3</solution>"], reference=-3)),
        *recorded(tmp_path / "published", "mmlu", row(["<solution>b</solution>"], prompt=OPTIONS, reference="a")),
    ]
    path = tmp_path / "eval" / "lemur" / "mint.jsonl"
    path.parent.mkdir(parents=True)
    faulty = {**lines[1].record({"paper": False, "strict": False}), "ended": "fault", "fault": "no sandbox"}
    write_jsonl(path, [one.record({"paper": True, "strict": False}) for one in lines] + [faulty])
    (log,) = find(tmp_path / "eval")
    assert log.setting.model == "lemur"
    scored = rescore(read(log.path, log.task))
    assert [dict(one.solved) for one in scored] == [{"paper": True, "strict": True}] + [
        {"paper": False, "strict": False}
    ] * 2
    assert [(row["id"], row["rule"], row["ours"]) for row in disagreements(scored)] == [
        ("theoremqa/0", "strict", True),
        ("mmlu/0", "paper", False),
    ]
    assert (cells(scored)["mmlu"]["items"], cells(scored)["mmlu"]["faults"]) == (1, 1)
    folder = tmp_path / "items" / "mmlu"
    folder.mkdir(parents=True)
    write_jsonl(folder / "test_prompts.json", [{"id": 0, "prompt": OPTIONS, "reference": "b"}])
    again = rescore(read(log.path, log.task, items_below(tmp_path / "items")))
    assert again[1].solved == {"paper": True, "strict": True}
    with pytest.raises(ValueError, match="no items; expected below it"):
        items_below(tmp_path / "eval")
