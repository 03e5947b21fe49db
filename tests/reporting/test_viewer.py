"""The viewer's pages: what a model wrote is shown and cannot act; items are found by outcome and by address."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given
from hypothesis import strategies as st

from lemur.core.records import Record, write_json
from lemur.reporting.episodes import text
from lemur.reporting.episodes.answers import item, pieces
from lemur.reporting.episodes.beginnings import COMMON, shared
from lemur.reporting.episodes.item import outcome_of
from lemur.reporting.episodes.page import anchors
from lemur.reporting.viewer import Params, viewer
from tests.reporting.samples import (
    BITS,
    CHOICE,
    EPISODES,
    FAILED,
    FAULT,
    LUCKY,
    PROPOSES,
    SAMPLE,
    SOLVED,
    THINKS,
    episode,
    turn,
    write,
)

EVIL = "</script></style><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} &lt; \"'` \x00\x1b[31m\u202e"


def made(folder: Path, items: int = 500, megabytes: int = 5, characters: int = 20_000, **records: list[Record]) -> Path:
    write(folder / "samples", **records)
    (folder / "results").mkdir(exist_ok=True)
    params = Params(items=items, megabytes=megabytes, characters=characters)
    viewer(params, folder / "samples", folder / "results", pages=folder / "pages")
    return folder / "pages"


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def article(page: BeautifulSoup, name: str) -> Tag:
    found = page.find("article", id=name)
    assert isinstance(found, Tag)
    return found


def shown(block: Tag) -> str:
    """The text of a block as a browser has it: without the line end after <pre>."""
    text = block.select_one("pre.text")
    assert text
    return text.get_text().removeprefix("\n")


def test_an_episode_shows_its_parts_in_order(tmp_path: Path) -> None:
    page = soup(made(tmp_path, mint=EPISODES) / "lemur/mint.html")
    blocks = article(page, "gsm8k/0").select(".turn .block")
    assert [(block["class"][1], shown(block)) for block in blocks] == [
        ("thought", "Add them."),
        ("execute", "print(1 + 1)  # two"),
        ("observation", "2\n"),
        ("feedback", "Go on."),
        ("next", "Observation:\n2\nYou have 4 steps left"),
        ("thought", "It is 2."),
        ("solution", "2"),
        ("target", "2"),
    ]
    assert [span.get_text() for span in blocks[1].select("span")] == ["print", "1", "1", "# two"]
    words = article(page, "gsm8k/0").get_text(" ")
    for fact in (
        "paper: right",
        "strict: right",
        "tokens: answer 7, prompt 120",
        "left: turns 3",
        "Turn 2 of 2: solution",
    ):
        assert fact in words
    assert "the sandbox did not start" in article(page, "gsm8k/2").get_text()
    assert "the rules disagree" in article(page, "mmlu/3").get_text()


def test_the_list_has_outcomes_and_the_summary_counts_them(tmp_path: Path) -> None:
    page = soup(made(tmp_path, mint=EPISODES) / "lemur/mint.html")
    links = page.select("#list a")
    assert [(a["href"], a["data-outcome"], a["data-ended"], a.has_attr("data-disagree")) for a in links] == [
        ("#gsm8k/0", "solved", "solved", False),
        ("#mmlu/3", "solved", "solved", True),
        ("#gsm8k/1", "failed", "proposals", False),
        ("#gsm8k/2", "fault", "fault", False),
    ]
    summary = page.select_one(".summary")
    assert summary and summary.get_text() == (
        "4 items: 2 solved, 1 failed, 1 environment fault, 1 rules disagree. Right by rule: paper 2/3; strict 1/3."
    )
    options = [[o.get_text() for o in select.find_all("option")] for select in page.find_all("select")]
    assert options == [
        ["any outcome", "solved", "failed", "environment fault", "rules disagree"],
        ["any end", "fault", "proposals", "solved"],
        ["any part", "gsm8k", "mmlu"],
    ]


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (SOLVED, "solved"),
        (LUCKY, "solved"),
        (FAILED, "failed"),
        (FAULT, "fault"),
        (SAMPLE, "solved"),
        (CHOICE, "failed"),
        (BITS, "none"),
        ({"id": "dev.json:0", "correct": {"execution": {"paper": None, "strict": None}}}, "none"),
        ({"id": "sh/0", "correct": {"none": True}}, "solved"),
        ({"id": "dev.json:1", "correct": {"execution": {"paper": False, "strict": True}}}, "failed"),
    ],
)
def test_outcomes(record: Record, outcome: str) -> None:
    assert outcome_of(record) == outcome


def test_samples_show_answer_extraction_target_and_verdicts(tmp_path: Path) -> None:
    pages = made(tmp_path, humaneval=[SAMPLE], mmlu=[CHOICE], bits_per_byte=[BITS]) / "lemur"
    blocks = {block.h4.get_text(): shown(block) for block in soup(pages / "humaneval.html").select(".turn .block")}
    assert blocks == {
        "Answer": "    return a + b\n",
        "What is scored, strict": "    return a + b",
        "Judge, paper": "passed",
        "Judge, strict": "failed: SyntaxError: <line 1>",
    }
    choice = article(soup(pages / "mmlu.html"), "test/astronomy_test.csv:1").get_text(" ")
    assert "logprobs: A -1.25, B -2.5" in choice and "astronomy" in choice
    assert "bits per byte: 1.500" in article(soup(pages / "bits_per_byte.html"), "arxiv-1").get_text()


def test_text_of_a_model_cannot_act(tmp_path: Path) -> None:
    everywhere = episode(
        EVIL,
        [
            turn(
                f"<thought>{EVIL}</thought><execute>{EVIL}\nx = '''{EVIL}</execute>{EVIL}",
                EVIL,
                message=EVIL,
                feedback=EVIL,
            )
        ],
        prompt=EVIL,
        task=EVIL,
        reference=EVIL,
        fault=EVIL,
        ended=EVIL,
        **{"extra": EVIL},
    )
    path = (
        made(tmp_path, mint=[everywhere, {**everywhere, "id": "other", "task": "t", "ended": "turns"}])
        / "lemur/mint.html"
    )
    page = soup(path)
    assert len(page.find_all("script")) == len(page.find_all("style")) == 1
    assert not page.find_all(["img", "iframe", "link", "object", "base"])
    assert not [tag for tag in page.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    assert "alert" not in page.script.get_text()
    assert "<script>alert(1)</script>" in article(page, "other").get_text()
    assert "{{ 7 * 7 }}" in page.get_text()
    raw = path.read_bytes()
    assert b"\x00" not in raw and b"\x1b" not in raw and "\u202e".encode() not in raw


def test_the_policy_allows_only_the_pages_own_script_and_style(tmp_path: Path) -> None:
    page = soup(made(tmp_path, mint=EPISODES) / "lemur/mint.html")
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
    assert isinstance(policy, Tag)
    for name in ("script", "style"):
        element = page.find(name)
        assert element
        digest = base64.b64encode(hashlib.sha256(element.get_text().encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy["content"]
    assert str(policy["content"]).startswith("default-src 'none'; base-uri 'none'; form-action 'none'; ")


def test_pages_load_nothing(tmp_path: Path) -> None:
    for path in made(tmp_path, mint=EPISODES, humaneval=[SAMPLE]).rglob("*.html"):
        for tag in soup(path).find_all(["a", "script", "link", "img"]):
            assert not tag.has_attr("src")
            address = str(tag.get("href", "#"))
            assert not re.match(r"[a-z]+:|//", address)
            if not address.startswith("#") and "summary" not in address:
                assert (path.parent / address.partition("#")[0]).is_file()


def test_webarena_shows_the_screenshots_that_somebody_kept(tmp_path: Path) -> None:
    played = episode("webarena/4?", [turn("a", "b"), turn("c", "d")])
    page = soup(made(tmp_path, webarena=[played]) / "lemur/webarena.html")
    addresses = [image["data-src"] for image in page.find_all("img")]
    assert addresses == [f"../../screenshots/lemur/webarena/4%3F/{turn}.png" for turn in ("00", "01")]
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
    assert isinstance(policy, Tag) and str(policy["content"]).endswith("; img-src 'self' file:")


def test_lone_surrogates_and_huge_outputs(tmp_path: Path) -> None:
    huge = episode("big", [turn("<execute>" + "x = (" * 200_000, "o" * 1_000_000)], prompt="p" * 1_000_000)
    strange = json.dumps(episode("strange", [turn("\ud800\r\nlast")]))
    (tmp_path / "samples/lemur").mkdir(parents=True)
    (tmp_path / "samples/lemur/mint.jsonl").write_text(f"{json.dumps(huge)}\n{strange}\n", encoding="ascii")
    path = made(tmp_path) / "lemur/mint.html"
    assert path.stat().st_size < 250_000
    assert "[... 980,000 characters left out ...]" in article(soup(path), "big").get_text()
    assert "\u27e8U+D800\u27e9\u240d\nlast" in article(soup(path), "strange").get_text()


def test_a_long_file_is_thinned_evenly_and_says_so(tmp_path: Path) -> None:
    records = [{**CHOICE, "id": f"q{number}", "prompt": f"Question {number}"} for number in range(1_000)]
    page = soup(made(tmp_path, items=50, mmlu=records) / "lemur/mmlu.html")
    assert [a["id"] for a in page.find_all("article")] == [f"q{number}" for number in range(0, 1_000, 20)]
    summary = page.select_one(".summary")
    assert summary and summary.get_text().startswith("1,000 items: 1,000 failed.")
    assert summary.get_text().endswith("This page: 50 of 1,000, evenly spaced; the samples file has all.")


def test_a_page_stays_within_its_size(tmp_path: Path) -> None:
    records = [{**SAMPLE, "id": f"q{number}", "output": "<b>\n" * 3_000} for number in range(300)]
    path = made(tmp_path, megabytes=1, gsm8k=records) / "lemur/gsm8k.html"
    assert 800_000 < path.stat().st_size <= 1_000_000
    assert path.read_text(encoding="utf-8").count("<article") < 50


def test_addresses_are_stable_and_unique() -> None:
    assert anchors(["gsm8k/0", "a b", "gsm8k/0", "", "a\tb"]) == ["gsm8k/0", "a_b", "gsm8k/0~2", "_", "a_b~2"]


def test_a_shared_beginning_is_on_the_page_once(tmp_path: Path) -> None:
    example = "".join(f"Example line {number}\n" for number in range(60))
    records = [episode(f"gsm8k/{n}", [turn(PROPOSES)], prompt=f"{example}Task {n}") for n in range(6)]
    path = made(tmp_path, mint=[*records, episode("mbpp/0", [turn(THINKS)], prompt="Another")]) / "lemur/mint.html"
    page = soup(path)
    assert path.read_text(encoding="utf-8").count("Example line 7\n") == 1
    beginning = page.find(id="beginning-1")
    assert beginning and beginning.get_text().removeprefix("\n") == example
    prompt = article(page, "gsm8k/3").select_one(".prompt > .text")
    assert prompt and prompt.get_text() == "\nTask 3"
    assert not article(page, "mbpp/0").find("details")


def test_beginnings_are_the_longest_that_enough_prompts_share() -> None:
    rules, example = "rule\n" * 100, "example\n" * 60
    prompts = [f"{rules}{example}{n}" for n in range(COMMON)] + [f"{rules}other {n}" for n in range(2)]
    assert shared(prompts) == [len(rules + example)] * COMMON + [len(rules)] * 2
    assert shared(["short\n"] * 9) == [0] * 9
    assert shared([rules] * (COMMON - 1)) == [0] * (COMMON - 1)


def test_tags_that_are_left_open_or_missing() -> None:
    blocks = pieces("Hm. <thought>a</thought> between <execute>print(1", None)
    assert [(block.kind, block.head, block.text) for block in blocks] == [
        ("text", "Outside the tags", "Hm. "),
        ("thought", "Thought", "a"),
        ("text", "Outside the tags", " between "),
        ("execute", "Code to run (never closed)", "print(1"),
    ]
    assert [block.kind for block in pieces("no tags", None)] == ["text"]


def test_a_proposed_solution_has_colours_in_coding_tasks_only() -> None:
    for group, language in (("code", "python"), ("reasoning", None)):
        blocks = item(episode("t/0", [turn(PROPOSES)], group=group), "mint").turns[0].blocks
        assert [block.language for block in blocks if block.kind == "solution"] == [language]


@given(st.text(), st.sampled_from(["python", "sql", "sh", "js", "no such language"]))
def test_coloured_code_is_the_text(value: str, language: str) -> None:
    shown = BeautifulSoup(f"<pre>\n{text.code(value, language, 1_000)}</pre>", "html.parser").pre
    assert shown and shown.get_text()[1:] == text.visible(value)


def test_pages_have_the_same_bytes_and_an_index_with_scores(tmp_path: Path) -> None:
    write_json(
        tmp_path / "results/lemur/mint.json",
        {"results": {"mint": {"success,paper": 0.5}}, "higher_is_better": {"mint": {"success": True}}},
    )
    write_json(tmp_path / "results/lemur/ds1000.json", {"results": {"ds1000": {"skipped": "left out <here>"}}})
    pages = made(tmp_path, mint=EPISODES, ds1000=[])
    again = tmp_path / "again"
    viewer(Params(items=500, megabytes=5, characters=20_000), tmp_path / "samples", tmp_path / "results", pages=again)
    for path in pages.rglob("*.html"):
        assert path.read_bytes() == (again / path.relative_to(pages)).read_bytes()
    cells = {a["href"]: a.get_text() for a in soup(pages / "index.html").select("td a")}
    assert cells == {"lemur/ds1000.html": "skipped", "lemur/mint.html": "50.0 (4 items)"}
    summary = soup(pages / "lemur/ds1000.html").select_one(".summary")
    assert summary and summary.get_text() == "Skipped: left out <here>"


def test_a_strange_record_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"mint\.jsonl: the record at byte 0 is neither a sample nor an episode \(KeyError"
    ):
        made(tmp_path, mint=[{"prompt": "no id"}])
    (tmp_path / "samples/lemur/mint.jsonl").write_text('{"id": 1}\n[', encoding="utf-8")
    with pytest.raises(ValueError, match=r"mint\.jsonl:2: not JSON"):
        viewer(Params(items=1, megabytes=1, characters=1000), tmp_path / "samples", tmp_path, pages=tmp_path / "other")
