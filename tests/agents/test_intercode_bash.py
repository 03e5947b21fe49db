"""IC-Bash from prompt to score, and commands that break out of their root file system."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lemur.agents import intercode_bash as bash
from lemur.agents.episodes.environment import Action
from lemur.agents.intercode.bash import roots
from lemur.agents.intercode.bash.machine import GONE, MALFORMED, TIMED_OUT, BashMachine, Place, difference
from lemur.agents.intercode.published import Recorded, Replayed, read, replay, summary
from lemur.benchmark_items.intercode import EPISODES, Task, tasks
from lemur.sources.fetched import load
from tests.agents.intercode.tools import play

Source = Callable[..., Path]
Machines = Callable[..., BashMachine]
pytestmark = pytest.mark.skipif(roots.why_no_namespaces() is not None, reason=str(roots.why_no_namespaces()))
why_no_root = roots.why_missing("intercode_bash", "debian")
needs_root = pytest.mark.skipif(why_no_root is not None, reason=str(why_no_root))
HOST = Place(None)


@pytest.fixture(scope="session")
def machine(source: Source) -> Machines:
    """`machine(gold, strict)` in the bundled file system."""
    system = bash.build(load(source("intercode")), {"samples_yard"}, HOST)["samples_yard"]
    return lambda gold="true", *, strict=False: BashMachine(HOST, system, Task("", "", gold), strict=strict)


def run(machine: BashMachine, command: str) -> str:
    return str(machine.act(Action("tool", command)).output)


def test_gold_commands_in_all_solved_out(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(task: Task, prompt: str) -> str:
        return "submit" if "Output:" in prompt else f"```bash\n{task.gold}\n```"

    result, episodes = play(bash, says, source("intercode"), tmp_path, monkeypatch, root="host")
    scores = result["results"]["intercode_bash"]
    assert scores["success,paper"] == scores["success,strict"] == scores["reward,paper"] == 1.0
    assert {each["ended"] for each in episodes} == {"solved", "submitted"}


def test_quotes_are_parsed_twice_by_the_paper_s_rule(machine: Machines) -> None:
    paper, strict = machine(), machine(strict=True)
    assert run(paper, 'echo "a  b"') == "a\n"
    assert run(strict, 'echo "a  b"') == "a  b\n"
    assert run(paper, 'echo "a') == MALFORMED
    assert "unexpected EOF" in run(strict, 'echo "a')
    for each in (paper, strict):
        each.close()


def test_state_stays_in_an_episode_and_goes_with_it(machine: Machines) -> None:
    first = machine("rm /yard/words.txt")
    assert run(first, "cd /yard/shed") == ""
    assert run(first, "pwd; echo x > new; ls") == "/yard/shed\ncount.sh\nlist.txt\nnew\n"
    assert first.act(Action("tool", "rm new ../words.txt")).reward == 1.0
    first.close()
    second = machine()
    assert run(second, "ls /yard/shed") == "count.sh\nlist.txt\n"
    second.close()


def test_equal_content_counts_by_the_strict_rule_where_the_paper_s_ignores_it(machine: Machines) -> None:
    paper = machine("echo a >> /yard/words.txt")
    outcome = paper.act(Action("tool", "echo b >> /yard/words.txt"))
    assert (outcome.reward, outcome.right) == (1.0, False)
    paper.close()


@pytest.mark.slow
def test_a_command_ends_after_ten_seconds(machine: Machines) -> None:
    session = machine()
    assert run(session, "sleep 60") == TIMED_OUT
    assert run(session, "echo on") == "on\n"
    session.close()


ESCAPES = [
    "mount -t tmpfs none /mnt",
    "mknod /dev/sda b 8 0 && cat /dev/sda",
    "cat /proc/1/environ",
    "echo {} > /proc/1/fd/1",
    "head -c 1 /proc/1/fd/0",
    "chroot /proc/1/root true",
    "unshare -r true",
    "cat /etc/shadow",
    "ls /work",
    "echo 1 > /proc/sys/kernel/panic",
    "echo c > /proc/sysrq-trigger",
    "touch /usr/x",
    "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 22), 1)'",
    "ls /tmp/*",
]


@pytest.mark.parametrize("rule", [False, True])
def test_root_inside_reaches_nothing_outside(rule: bool, machine: Machines) -> None:
    session, other = machine(strict=True), machine(strict=True)
    run(other, "echo secret > /tmp/secret; sleep 100 &")
    reached = [command for command in ESCAPES if "REACHED" in run(session, f"{command} >/dev/null && echo REACHED")]
    assert reached == []
    assert "sleep" not in run(session, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").replace("sleep on", "")
    run(session, "kill -9 -1; kill -9 1")
    assert run(session, "echo on") == "on\n"
    assert run(other, "cat /tmp/secret") == "secret\n"
    for each in (session, other):
        each.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "bomb",
    [":(){ :|:& };:", "python3 -c 'x = bytearray(4 << 30); x[::4096] = x[::4096]'", "yes > /dev/null & yes | tr y z"],
)
def test_a_bomb_leaves_the_next_episode_unharmed(bomb: str, machine: Machines) -> None:
    session = machine(strict=True)
    assert isinstance(run(session, bomb), str)
    session.close()
    after = machine(strict=True)
    assert run(after, "echo on") in ("on\n", GONE)
    after.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("root", "least"),
    [
        ("host", 125),
        pytest.param("debian", 132, marks=needs_root),
    ],
)
def test_published_episodes_played_again(root: str, least: int, source: Source) -> None:
    """67 of 147 are published. The rest: ages of files, the order of folders, programs of one side, the clock."""
    place = Place(roots.folder("intercode_bash") if root == "debian" else None)
    fetched = load(source("intercode", "mirror"))
    items = tasks(fetched, bash.NAME)
    systems = bash.build(fetched, {"fs_1", "fs_3", "fs_4"}, place)

    def again(part: str, each: Recorded) -> Replayed:
        task = items[f"{bash.NAME}/{part}/{each.index}"]
        assert task.query == each.query
        return replay(each, lambda: BashMachine(place, systems[part], task, strict=False), difference)

    logs = [file for file in fetched.files if file.schema == EPISODES and file.meta["benchmark"] == bash.NAME]
    found = summary(again(str(file.meta["part"]), each) for file in logs for each in read(file.path))
    assert found["published"] == 67
    assert int(str(found["agree"])) >= least, found


@pytest.mark.slow
def test_gold_commands_of_the_mirror(source: Source) -> None:
    fetched = load(source("intercode", "mirror"))
    systems = bash.build(fetched, {"fs_1", "fs_2", "fs_3", "fs_4"}, HOST)
    missed = []
    for name, task in tasks(fetched, bash.NAME).items():
        session = BashMachine(HOST, systems[name.split("/")[1]], task, strict=False)
        if session.act(Action("tool", task.gold)).reward != 1:
            missed.append(name)
        session.close()
    assert len(missed) <= 5, missed


def test_without_a_root_it_is_skipped_with_the_reason(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, episodes = play(bash, lambda *_: "", source("intercode"), tmp_path, monkeypatch, root="none")
    assert episodes == []
    assert result["results"]["intercode_bash"]["skipped"] == (
        "commands print other things on other machines: set intercode_bash.root to debian (`make agents`) or host"
    )
