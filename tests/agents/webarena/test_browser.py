"""The real browser on the project's own sites: scripted solutions, escapes, equal bytes."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.web import grading, process, sandboxed
from lemur.agents.web.actions import Form, WebAction
from lemur.agents.web.addresses import PACK, Addresses, own_sites
from lemur.agents.web.process import Process, find_browser, why_missing
from lemur.core.files import ROOT
from lemur.core.records import Record
from lemur.evaluation.judging.library_environment import Environment, find_environment
from tests.agents.webarena.scripts import own_tasks, play_script, scripts, setting

pytestmark = pytest.mark.skipif(bool(why_missing()), reason=str(why_missing()))
SHOP = PACK["shopping"]
TASKS, SCRIPTS = own_tasks(), scripts()
FEW = [5, 8, 11, 19, 27, 47, 48]
"""Tasks with hover, keys, forms, helpers, prepared pages, votes, tabs and links to new tabs."""


def score(number: int, kind: str, form: Form) -> grading.Verdict:
    """The verdict on a script; the judge agrees with solutions alone."""
    task = TASKS[number]
    record = json.loads(play_script(task, SCRIPTS[str(number)][kind], form)[-1].observation)
    right = kind == "solution"
    judged = {each: {"paper": right, "strict": right} for each in grading.questions(task, record["answer"])}
    return grading.verdict(task, record["answer"], grading.from_record(record), judged)


def check(number: int, form: Form) -> None:
    assert score(number, "solution", form) == {"paper": True, "strict": True}
    assert score(number, "near_miss", form) == {"paper": False, "strict": False}


@pytest.mark.parametrize("number", FEW)
def test_a_solution_scores_and_a_near_miss_does_not(number: int) -> None:
    check(number, "symbolic" if number % 2 else "programming")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["symbolic", "programming"])
@pytest.mark.parametrize("number", [task.task_id for task in TASKS])
def test_every_solution_scores_and_no_near_miss_does(number: int, form: Form) -> None:
    check(number, form)


def test_every_task_has_its_scripts_and_every_kind_its_tasks() -> None:
    assert len(TASKS) == len(SCRIPTS) == 50
    assert {kind for task in TASKS for kind in task.evaluation.kinds} == {"string_match", "url_match", "program_html"}
    assert {line.split()[0] for script in SCRIPTS.values() for line in script["solution"]} == {
        *("click", "type", "hover", "press", "scroll", "new_tab", "tab_focus", "close_tab"),
        *("goto", "go_back", "go_forward", "stop"),
    }


def test_equal_actions_give_equal_bytes() -> None:
    first = play_script(TASKS[8], SCRIPTS["8"]["solution"])
    assert play_script(TASKS[8], SCRIPTS["8"]["solution"]) == first


def test_a_sign_out_does_not_reach_the_next_episode() -> None:
    """webarena issue 32: there it broke all later tasks."""
    (out, _) = play_script(TASKS[0], ["click [{link 'Sign Out'}]", "stop []"])
    assert "Customer Login" in out.observation
    (next_page, _) = play_script(TASKS[0], ["scroll [down]", "stop []"])
    assert "link 'Sign Out'" in next_page.observation


@contextmanager
def browser(addresses: Addresses) -> Iterator[Process]:
    started = Process(addresses)
    try:
        yield started
    finally:
        started.close()


def script(text: str) -> Record:
    """A look at the last page that runs `text` there, as a hostile page would."""
    return {"url": "last", "locator": f"document.title && (async () => {{ {text} }})()", "prepare": []}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "file:///code", "chrome://version", "http://127.0.0.1:1/", "x"])
def test_the_browser_goes_to_the_sites_alone(url: str) -> None:
    with browser(own_sites()) as started:
        before = started.open([SHOP], {})
        after = started.act(WebAction("goto", text=url))
        assert "ERR_BLOCKED_BY_CLIENT" in after["failed"]
        assert after["observation"] == before["observation"]
        link = script(f"location.href = {url!r}; await new Promise(done => setTimeout(done, 300)); return 'stayed'")
        started.collect([link])
        assert started.act(WebAction("wait"))["url"].startswith((f"{SHOP}/", "chrome-error://"))


def test_a_page_does_not_reach_the_hosts_loopback() -> None:
    """Even if its address is allowed: the sites' network has its own loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        host = f"http://127.0.0.1:{server.getsockname()[1]}"
        with browser(Addresses({**PACK, "map": host}, own=True)) as started:
            started.open([SHOP], {})
            _, (answer,) = started.collect([script(f"return await fetch({host!r}).then(() => 'reached', String)")])
            assert "TypeError" in answer
            assert "ERR_CONNECTION_REFUSED" in started.act(WebAction("goto", text=host))["failed"]
        with pytest.raises(BlockingIOError):
            server.accept()


def test_many_windows_do_no_harm() -> None:
    with browser(own_sites()) as started:
        clean = started.open([SHOP], {})
        opened = "for (let i = 0; i < 500; i++) window.open(location.href, '_blank'); return 'opened'"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(process, "ANSWER_S", 120)
            started.collect([script(opened)])
            page = started.act(WebAction("wait"))
        assert page["observation"].count("Tab ") <= 10
        assert page["url"] == f"{SHOP}/"
    with browser(own_sites()) as fresh:
        assert fresh.open([SHOP], {}) == clean


def test_a_page_that_never_answers_is_a_fault_and_the_next_episode_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with browser(own_sites()) as started:
        clean = started.open([SHOP], {})
        monkeypatch.setattr(process, "ANSWER_S", 3)
        with pytest.raises(EnvironmentFault, match="no answer in 3 s"):
            started.collect(
                [{"url": "last", "locator": "document.title && (() => { while (true); })()", "prepare": []}]
            )
    monkeypatch.undo()
    with browser(own_sites()) as fresh:
        assert fresh.open([SHOP], {}) == clean


def test_a_browser_that_dies_is_a_fault() -> None:
    with browser(own_sites()) as started:
        started.open([SHOP], {})
        started.close()
        with pytest.raises(EnvironmentFault):
            started.act(WebAction("wait"))


def test_the_sandbox_has_no_gold_no_secrets_and_no_network() -> None:
    environment, program = find_environment(ROOT / "requirements/agents.txt"), find_browser()
    assert isinstance(environment, Environment) and program
    code = (
        "import os, socket\n"
        f"print(os.path.exists({str(ROOT / 'data')!r}), os.path.exists('/root/.ssh'), os.getuid() == 0)\n"
        "pid1 = '/proc/1/environ'\n"
        "print(open(pid1).read() if os.access(pid1, os.R_OK) else '')\n"
        "print(sorted(os.listdir('/code/lemur/agents/web')), socket.if_nameindex())\n"
    )
    command = sandboxed.command(environment, program, user=20000, network=False)[:-2]
    done = subprocess.run([*command, "-c", code], env={}, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.splitlines() == ["False False False", "", "['helpers.py', 'inside', 'sites'] [(1, 'lo')]"]


def test_screenshots_are_kept_where_asked(tmp_path: Path) -> None:
    from lemur.agents.web.environment import WebEnvironment

    environment = WebEnvironment(setting(screenshots=tmp_path), TASKS[0])
    environment.reset()
    environment.step("```scroll [down]```")
    environment.close()
    assert (tmp_path / "webarena/0/01.png").read_bytes().startswith(b"\x89PNG")
