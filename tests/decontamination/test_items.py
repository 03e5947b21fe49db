"""Every schema of a benchmark's files gives its items."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lemur.decontamination.items import NO_ITEMS, read_items
from lemur.decontamination.overlaps import Overlaps
from tests.decontamination.builders import index_of
from tests.instructions.builders import fetched

QUESTION = "How many of the red boxes that stand in the cellar are heavier than the smallest blue one?"
STEPS = "It is one. So the answer is 1."
CODE = "def f(x):\n    return x + 1"
HUMANEVAL = {
    "task_id": "a",
    "prompt": f'def f(x):\n    """{QUESTION}"""\n',
    "canonical_solution": "    return x\n",
    "entry_point": "f",
    "test": "",
}
LIBRARY = {"problem_id": 1, "library": "Numpy"}
DS1000 = {"prompt": QUESTION, "reference_code": CODE, "code_context": "", "metadata": LIBRARY}
MBPP = {"task_id": 1, "text": QUESTION, "code": CODE, "test_setup_code": "", "test_list": ["assert f(1) == 2"]}
TASK = {"id": 0, "prompt": QUESTION, "reference": "1"}
ROBOT = {
    "task_id": "0",
    "group": "numpy",
    "f_name": "f",
    "query": QUESTION,
    "test_equiv": "eq",
    "reference": CODE,
    "tests": [{"args": [], "expected": {"type": "int", "value": 1}}],
}
SPIDER = {"db_id": "d", "question": QUESTION, "query": "SELECT"}
MULTIPL_E = {"name": "n", "prompt": f"# {QUESTION}\nf() {{", "tests": "", "stop_tokens": []}
COMMENTED = f"```c\n/* {QUESTION} */\nint f(int x) {{\n    return x + 1; // more\n}}\n```"
WEB_TASK = {
    "task_id": 0,
    "sites": ["shopping"],
    "require_login": False,
    "storage_state": None,
    "start_url": "__SHOPPING__",
    "geolocation": None,
    "intent": QUESTION,
    "require_reset": False,
    "eval": {"eval_types": ["url_match"], "reference_answers": None, "reference_url": "x", "program_html": []},
}
TRACE = (
    "Assistant:\ngo to the shelf 1 and take the bowl\nObservation:\nOn the shelf 1, you see a bowl and nothing else."
)


BARE = "def f(x):\n    \n    return x\n"
MMLU = [QUESTION, f"{QUESTION} w x y z", f"{QUESTION} A w B x C y D z", f"{QUESTION} x"]


def program(code: str) -> list[tuple[str, str]]:
    return [("code", code), ("renamed", code)]


META = {"benchmark": "b", "task": "t", "subject": "s", "language": "sh"}


@pytest.mark.parametrize(
    ("schema", "name", "content", "parts"),
    [
        ("bbh", "a.json", {"canary": "x", "examples": [{"input": QUESTION, "target": "1"}]}, [("text", QUESTION)]),
        ("bbh", "a.txt", f"canary\n-----\nTask.\n\nQ: {QUESTION}\nA: {STEPS}", [("text", f"{QUESTION}\nA: {STEPS}")]),
        ("ds1000", "a.jsonl", DS1000, [("text", QUESTION), ("code", CODE)]),
        ("gsm8k", "a.jsonl", {"question": QUESTION, "answer": "#### 1"}, [("text", QUESTION), ("text", "#### 1")]),
        ("humaneval", "a.jsonl", HUMANEVAL, [("text", QUESTION), ("code", "    return x\n"), *program(BARE)]),
        ("intercode", "a.json", [{"query": QUESTION, "gold": "ls"}], [("text", QUESTION), ("code", "ls")]),
        ("intercode_table", "a.csv", f"query,gold,db\n{QUESTION},ls,d\n", [("text", QUESTION), ("code", "ls")]),
        ("mbpp", "a.jsonl", MBPP, [("text", QUESTION), ("code", CODE), *program(CODE)]),
        ("mint", "a.json", TASK, [("text", QUESTION)]),
        ("mint_example", "a.txt", TRACE, [("text", TRACE)]),
        ("mint_humaneval", "a.jsonl", HUMANEVAL, [("text", QUESTION), ("code", "    return x\n"), *program(BARE)]),
        ("mmlu", "a.csv", f"{QUESTION},w,x,y,z,B\n", [("text", text) for text in MMLU]),
        ("multipl_e", "a.jsonl", MULTIPL_E, [("text", f" {QUESTION}"), ("code", "\nf() {")]),
        ("rephrased_questions", "a.jsonl", {"text": f"Question: {QUESTION}\nAnswer: 1"}, [("text", f" {QUESTION}")]),
        ("robocodegen", "a.json", {"problems": [ROBOT]}, [("text", QUESTION), ("code", QUESTION), ("code", CODE)]),
        ("spider", "a.json", [SPIDER], [("text", QUESTION), ("code", "SELECT")]),
        ("webarena", "a.json", [WEB_TASK], [("text", QUESTION)]),
    ],
)
def test_the_parts_of_an_item(tmp_path: Path, schema: str, name: str, content: Any, parts: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    folder = fetched(tmp_path / "s", "s", {name: (schema, text, META), "x.sql": (schema, "SELECT 1", {})})
    unreadable: Counter[str] = Counter()
    (item,) = read_items([folder], unreadable)
    assert (item.benchmark, list(item.parts), unreadable) == ("b", parts, Counter())


def test_a_game_is_found_by_its_plan_and_left_out_without_one(tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "look_at_obj-Mug/trial_1/game.tw-pddl": ("alfworld_game", "{}", META),
        "look_at_obj-Mug/trial_1/gt_traj.txt": ("companion", TRACE, {}),
        "look_at_obj-Pen/trial_1/game.tw-pddl": ("alfworld_game", "{}", META),
    }
    (item,) = read_items([fetched(tmp_path / "s", "s", files)], Counter())
    assert (item.benchmark, item.name, item.parts) == ("b", "look_at_obj-Mug/trial_1", (("text", TRACE),))


def test_what_models_did_and_what_tools_answer_from_has_no_items(tmp_path: Path) -> None:
    row = {**TASK, "title": QUESTION, "text": QUESTION, "query": QUESTION, "result": QUESTION}
    files = {f"{schema}.jsonl": (schema, [row], META) for schema in NO_ITEMS}
    folder = fetched(tmp_path / "s", "s", {**files, "a.jsonl": ("mint", [row], META)})
    (item,) = read_items([folder], Counter())
    assert item.name == "a.jsonl:1"


def test_comments_are_text_and_the_rest_is_code(tmp_path: Path) -> None:
    rows = [{"text": COMMENTED}, {"text": f'def f(x):\n    """{QUESTION}"""\n    return x + 1  # more'}]
    folder = fetched(tmp_path / "s", "s", {"a.jsonl": ("rephrased_code", rows, {})})
    for item in read_items([folder], Counter()):
        (text_view, text), (code_view, code) = item.parts
        assert (text_view, code_view) == ("text", "code")
        assert [line.strip() for line in text.splitlines()] == [QUESTION, "more"]
        assert "return x + 1" in code and QUESTION not in code


def test_bad_rows_are_counted_and_training_splits_left_out(tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "a.jsonl": ("mint", f'{json.dumps(TASK)}\n{{"text": "x"}}\nnot JSON\n', {}),
        "train.jsonl": ("mint", [TASK], {"split": "train"}),
    }
    unreadable: Counter[str] = Counter()
    items = list(read_items([fetched(tmp_path / "s", "s", files)], unreadable))
    assert [item.name for item in items] == ["a.jsonl:1"]
    assert unreadable == {"s": 2}


def test_overlap_with_a_benchmark_without_an_action_is_removed(tmp_path: Path) -> None:
    folder = fetched(tmp_path / "s", "s", {"a.jsonl": ("mint", [TASK], {"benchmark": "mint_math"})})
    index = index_of(folder)
    removed = Overlaps(index, {"mmlu": "report"}, 0.5).judge("a", QUESTION)
    assert removed is not None and removed["benchmark"] == "mint_math"
    assert Overlaps(index, {"mint_math": "report"}, 0.5).judge("a", QUESTION) is None
