"""The 812 tasks of the benchmark (LEMUR_MIRROR), read and scored without a browser."""

import os
from collections import Counter
from pathlib import Path

import pytest

from lemur.agents.web.addresses import REAL_NAMES, Addresses, missing_sites, runnable, sites_of_environment
from lemur.agents.web.grading import constant_answer, found, questions, string, verdict
from lemur.agents.web.helpers import Call, parse_helper, post_url
from lemur.agents.web.judge import Question
from lemur.agents.web.prompts import NAMES, read_texts
from lemur.benchmark_items.webarena import Task, read
from lemur.sources.fetched import FetchedFile
from lemur.sources.reading.rows import readable
from tests.agents.webarena.scripts import own_tasks

MIRROR = Path(os.environ.get("LEMUR_MIRROR", "/nonexistent"))
needs_mirror = pytest.mark.skipif(not (MIRROR / "webarena").is_dir(), reason="LEMUR_MIRROR has no webarena")
TRUE, FALSE = {"paper": True, "strict": True}, {"paper": False, "strict": False}


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return readable(read(FetchedFile(MIRROR, "webarena/test.raw.json", "webarena", "", {})))


def task(number: int, tasks: list[Task]) -> Task:
    return next(each for each in tasks if each.task_id == number)


@needs_mirror
def test_the_benchmark_is_read_whole(tasks: list[Task]) -> None:
    assert len(tasks) == 812
    assert Counter(each.evaluation.kinds for each in tasks) == {
        ("string_match",): 325,
        ("program_html",): 282,
        ("url_match", "program_html"): 129,
        ("url_match",): 66,
        ("string_match", "url_match"): 10,
    }
    sites = Counter(each.sites[0] if len(each.sites) == 1 else "several" for each in tasks)
    assert sites == {"shopping": 187, "shopping_admin": 182, "gitlab": 180, "map": 109, "reddit": 106, "several": 48}
    assert sum(each.evaluation.impossible for each in tasks) == 36
    assert sum(each.evaluation.needs_judge for each in tasks) == 82
    assert sum(bool(each.evaluation.include) for each in tasks) == 176
    assert sum(any(len(text) <= 2 for text in each.evaluation.include) for each in tasks) == 41


@needs_mirror
def test_always_na_scores_36_of_812(tasks: list[Task]) -> None:
    """4.43 %, near Lemur's 5.30 % (paper, Table 7)."""
    assert constant_answer(tasks, "N/A") == {"paper": 36 / 812, "strict": 36 / 812}
    assert constant_answer(tasks, "")["paper"] == 0


@needs_mirror
def test_the_reference_answers_of_all_strings_are_right(tasks: list[Task]) -> None:
    """Except where strict reads the reference itself as part of a word."""
    wrong = []
    for each in tasks:
        evaluation = each.evaluation
        if "string_match" not in evaluation.kinds:
            continue
        answer = (
            evaluation.exact or "N/A"
            if evaluation.impossible or evaluation.exact
            else " ; ".join([*evaluation.include, *evaluation.fuzzy])
        )
        judged = dict.fromkeys(questions(each, answer), TRUE)
        if (result := string(each, answer, judged)) != TRUE:
            wrong.append((each.task_id, result))
    assert wrong == []


@needs_mirror
def test_all_helpers_of_the_benchmark_are_allowed(tasks: list[Task]) -> None:
    texts = {text for each in tasks for target in each.evaluation.targets for text in (target.url, target.locator)}
    calls = [parse_helper(text) for text in texts if text.startswith("func:")]
    assert Counter(call.name for call in calls).keys() == {
        "reddit_get_post_url",
        "shopping_get_latest_order_url",
        "shopping_get_sku_latest_review_author",
        "shopping_get_sku_latest_review_rating",
        "gitlab_get_project_memeber_role",
    }


@needs_mirror
@pytest.mark.parametrize(("form", "style"), NAMES)
def test_the_prompts_are_read(form: str, style: str) -> None:
    texts = read_texts(MIRROR / "webarena" / "prompts_derived.json", form, style)  # type: ignore[arg-type]
    assert len(texts.examples) == 2
    turn = texts.turn(observation="[1] link '{url}'", url="http://x", objective="o", previous="None")
    assert turn == "OBSERVATION:\n[1] link '{url}'\nURL: http://x\nOBJECTIVE: o\nPREVIOUS ACTION: None"


@needs_mirror
def test_sites_that_are_absent_are_named(tasks: list[Task]) -> None:
    """The numbers of tasks that each set of sites allows."""
    shop = sites_of_environment({"SHOPPING": "http://host:7770/", "SHOPPING_ADMIN": "http://host:7780/admin"})
    possible, lacking = runnable(tasks, shop)
    assert len(possible) == 187 + 182
    assert lacking == {"reddit": 129, "gitlab": 204, "map": 128, "wikipedia": 23}
    assert len(runnable(tasks, Addresses(REAL_NAMES, own=False))[0]) == 812
    assert missing_sites(task(0, tasks), Addresses({}, own=False)) == ["shopping_admin"]


@needs_mirror
def test_a_final_slash_of_an_address_does_no_harm(tasks: list[Task]) -> None:
    """BrowserGym issue 366: tasks 274 and 275 failed."""
    shop = sites_of_environment({"SHOPPING": "http://host:7770/"})
    for number in (274, 275):
        each = task(number, tasks)
        url = shop.fill(each.evaluation.url)
        assert verdict(each, "", found(each, shop.placeholders(url), []), {}) == TRUE
        assert "//catalogsearch" not in url


GOLD_FAULTS = {
    107: "Sepetember", 109: "Feburary", 110: "Octorbor", 111: "Octorbor",  # webarena issue 274
    186: "Minera", 505: "Aeno", 679: "Completed",  # the same; the shop says Complete
    407: "124993", 408: "39244", 584: "Karaoke",  # issue 246: not the newest posts, a wrong sidebar
    301: "there is no order in processing", 302: "there is no order in processing",  # issue 56
    447: "assignee_username=Seirdy",  # issue 174: right, and scored 0
}  # fmt: skip


@needs_mirror
@pytest.mark.parametrize("number", GOLD_FAULTS)
def test_known_faults_of_the_gold_are_in_the_public_file(number: int, tasks: list[Task]) -> None:
    """They are kept in both rules, since scores of others have them too (docs/agents_webarena.md)."""
    assert GOLD_FAULTS[number] in repr(task(number, tasks))


def test_an_impossible_task_accepts_its_reason_from_the_judge() -> None:
    impossible = next(each for each in own_tasks() if each.evaluation.impossible)
    place = found(impossible, "", [])
    assert verdict(impossible, "N/A", place, {}) == TRUE
    reason = "It is nowhere to be found."
    (question,) = questions(impossible, reason)
    assert question == Question(impossible.intent, impossible.evaluation.note, reason.lower(), reason=True)
    assert verdict(impossible, reason, place, {question: TRUE}) == TRUE
    assert verdict(impossible, reason, place, {question: FALSE}) == FALSE
    assert verdict(impossible, "", place, {}) == FALSE


@pytest.mark.parametrize(
    "text",
    [
        "func:__import__('os').system('id')",
        "func:open('/etc/passwd')",
        "func:reddit_get_post_url(page.url)",
        "func:reddit_get_post_url('a', 'b')",
        "func:reddit_get_post_url(url='a')",
        "func:shopping_get_latest_order_url() or 1",
        "func:",
    ],
)
def test_other_helpers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed are gitlab_get_project_memeber_role"):
        parse_helper(text)


def test_helpers() -> None:
    text = "func:gitlab_get_project_memeber_role(__page__, 'koush')"
    assert parse_helper(text) == Call("gitlab_get_project_memeber_role", ("__page__", "koush"))
    assert post_url("http://x:1/f/books/11/title/-/comment/3") == "http://x:1/f/books/11/"
    assert post_url("http://x:1/submit") == "http://x:1/submit"


def test_a_site_needs_an_address() -> None:
    with pytest.raises(ValueError, match="SHOPPING is 'localhost'"):
        sites_of_environment({"SHOPPING": "localhost"})
