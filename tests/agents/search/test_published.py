"""Which text of a published trajectory is the result of which query."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lemur.agents.dialogue.messages import Limits, first_message
from lemur.agents.search.interface import DESCRIPTION, NOTHING, Page
from lemur.agents.search.pages import published_pages
from lemur.agents.search.published import Seen, seen
from lemur.agents.search.recorded import Recorded
from lemur.sources.fetched import FetchedFile

BUNDLED = Path(__file__).resolve().parents[3] / "data" / "sources" / "mint" / "bundled"
MIRROR = Path(os.environ.get("LEMUR_MIRROR", "") or "/nonexistent", "mint")
TWO = "print(wikipedia_search('R'))\nprint(wikipedia_search('O'))"
ROME, OSLO, BONN = (f"Page: {name}\nSummary: {name} is a city." for name in ("Rome", "Oslo", "Bonn"))


def trajectory(*turns: tuple[str, str]) -> dict[str, Any]:
    """Of (code, observation) pairs."""
    history = [{"role": "user", "content": "Task:\nWhich?"}]
    for code, observation in turns:
        left = "You have 3 steps left and 2 chances to propose solution left.\n"
        history.append({"role": "assistant", "content": f"Assistant:\n<execute>\n{code}\n</execute>\n"})
        history.append({"role": "user", "content": f"Observation:\n{observation}\n{left}"})
    return {"state": {"history": history}, "task": {"task_id": 0}}


def read(folder: Path, *records: dict[str, Any]) -> list[Seen]:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "results.jsonl").write_text(lines, encoding="utf-8")
    return list(seen([FetchedFile(folder, "results.jsonl", "mint_episodes", "", {})]))


@pytest.mark.parametrize(
    ("code", "observation", "results"),
    [
        ("print(wikipedia_search('Rome'))", ROME, {"Rome": ROME}),
        ('a = wikipedia_search(query="Rome")\nprint(a)', ROME, {"Rome": ROME}),
        ("wikipedia_search('Rome')", f"Out[1]: {ROME + chr(10)!r}", {"Rome": ROME + "\n"}),
        ("print(wikipedia_search('x'))", NOTHING, {"x": NOTHING}),
        # Two calls, each with one page; the second with two; the first without a page.
        (TWO, f"{ROME}\n{OSLO}", {"R": ROME, "O": OSLO}),
        (
            TWO,
            f"{ROME}\n{OSLO}\n\n{BONN}",
            {"R": ROME, "O": f"{OSLO}\n\n{BONN}"},
        ),
        (TWO, f"{NOTHING}\n{OSLO}", {"R": NOTHING, "O": OSLO}),
        # A text that ends with an empty line: certain with one page a call, uncertain with three pages of two calls.
        (TWO, f"{ROME}\n\n{OSLO}", {"R": ROME + "\n", "O": OSLO}),
        (TWO, f"{ROME}\n\n{OSLO}\n\n{BONN}", {}),
        # Cut: the last one is not whole.
        (TWO, f"{ROME}\n{OSLO}...\n[Output Truncated]", {"R": ROME}),
        # Programs that do something else, and what they print.
        ("q = 'Rome'\nprint(wikipedia_search(q))", ROME, {}),
        ("print(wikipedia_search('Rome'))\nprint(1)", f"{ROME}\n1", {}),
        ("print(wikipedia_search('Rome')[:30])", ROME[:30], {}),
        ("print(wikipedia_search('Rome'))", "TypeError: no", {}),
        ("print(wikipedia_search('Rome'))", ROME + "x" * 1000, {}),
        ("wikipedia_search('Rome')", "Out[1]: __import__('os')", {}),
        ("print(wikipedia_search('Rome')", ROME, {}),
        ("print(wikipedia_search(5))", ROME, {}),
    ],
)  # fmt: skip
def test_results_of_queries(tmp_path: Path, code: str, observation: str, results: dict[str, str]) -> None:
    (one,) = read(tmp_path, trajectory((code, observation)))
    assert dict(one.results) == results


def test_a_solution_shows_no_result(tmp_path: Path) -> None:
    record = trajectory(("print(wikipedia_search('Rome'))", ROME))
    record["state"]["history"][1]["content"] += "<solution> Rome </solution>"
    assert read(tmp_path, record)[0].results == []


def test_pages_are_the_longest_texts_and_those_of_results_come_first(tmp_path: Path) -> None:
    longer = "Page: Rome\nSummary: Rome is a city in Italy."
    other = "for x in y: print(wikipedia_search(x))"
    trajectories = read(
        tmp_path,
        trajectory(("print(wikipedia_search('a'))", ROME), (other, f"{ROME} and what the program printed\n{BONN}")),
        trajectory(("print(wikipedia_search('b'))", f"{longer}\n\n{OSLO}")),
    )
    assert published_pages(trajectories) == [
        Page("Bonn", "Bonn is a city."),
        Page("Oslo", "Oslo is a city."),
        Page("Rome", "Rome is a city in Italy."),
    ]


def test_a_record_that_is_no_trajectory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"results\.jsonl:1: missing_field: state is missing"):
        read(tmp_path, {"task": {}})


def test_bundled_trajectories_agree_with_the_bundled_queries() -> None:
    files = [path.relative_to(BUNDLED).as_posix() for path in sorted(BUNDLED.glob("outputs_*/**/results.jsonl"))]
    recorded = json_lines(BUNDLED / "wikipedia" / "queries.jsonl")
    expected = {row["query"]: row["result"] for row in recorded}
    shown = seen(FetchedFile(BUNDLED, name, "mint_episodes", "", {}) for name in files)
    results = [result for one in shown for result in one.results]
    assert {query for query, _ in results} >= {"Danube", "Rhine", "Titan (moon)", "Ada Lovelace", "Charles Babbage"}
    assert all(expected[query] == result for query, result in results)


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.skipif(not MIRROR.is_dir(), reason="LEMUR_MIRROR has no mint folder")
def test_the_published_logs() -> None:
    """The counts are those of the mirror's files: four models, 96 files."""
    names = [path.relative_to(MIRROR).as_posix() for path in sorted(MIRROR.glob("outputs_*/**/results.jsonl"))]
    shown = list(seen(FetchedFile(MIRROR, name, "mint_episodes", "", {}) for name in names))
    results = [result for one in shown for result in one.results]
    recorded = Recorded(results)
    assert (len(results), len(recorded), len(published_pages(shown))) == (1889, 818, 698)
    equal = sum((recorded.find(query) or "").rstrip() == result.rstrip() for query, result in results)
    assert equal / len(results) > 0.88  # the others changed between two recordings


@pytest.mark.skipif(not MIRROR.is_dir(), reason="LEMUR_MIRROR has no mint folder")
def test_the_description_is_the_published_one() -> None:
    log = MIRROR / "outputs_lemur-70b-chat-v1/F=None/max5_p2+tool+cd/reasoning/hotpotqa/results.jsonl"
    record = json_lines(log)[0]
    published = record["state"]["history"][0]["content"]
    template = (MIRROR / "prompt_templates/template_with_tool.txt").read_text(encoding="utf-8")
    example = (MIRROR / "in_context_examples/reasoning/with_tool.txt").read_text(encoding="utf-8")
    task = record["task"]["prompt"]
    assert first_message(template, limits=Limits(5, 2), tools=DESCRIPTION, example=example, task=task) == published
