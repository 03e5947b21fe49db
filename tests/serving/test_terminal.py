"""`lemur chat`, `generate` and `serve` as a person starts them."""

import os
import re
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import pexpect
import pytest
import requests

from lemur.inference.jax_model import JaxModel
from lemur.serving.api.listening import listen
from lemur.serving.engine import Engine
from lemur.serving.terminal import Chat
from tests.serving.conftest import Served, lemur, plain
from tests.tools import ROOT


def start(*words: str) -> pexpect.spawn:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "dumb"}
    return pexpect.spawn(
        sys.executable,
        ["-m", "lemur", *words],
        env=environment,
        encoding="utf-8",
        timeout=300,
        dimensions=(40, 200),
        # A shell's background job, such as these tests in CI, ignores Ctrl-C, and so would all that it starts.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="module")
def alone(folder: Path) -> JaxModel:
    """In process with the tile of one that the terminal uses."""
    return JaxModel.load(folder, tile=1, bos=True)


def test_a_chat_in_a_terminal(folder: Path, alone: JaxModel) -> None:
    chat = start("chat", str(folder), "--temperature", "1", "--system", "Be brief.", "--max-tokens", "20")
    chat.expect("Ctrl-C stops an answer")
    messages = [{"role": "system", "content": "Be brief."}]
    for question, seed in (("How many?", 0), ("And now?", 0), ("And now?", 6)):
        if seed:
            chat.expect("> ")
            chat.sendline(f"/seed {seed}")
            chat.expect(f"The seed is {seed}.")
            chat.expect("> ")
            chat.sendline("/reset")
            chat.expect("A new conversation.")
            del messages[1:]
        chat.expect("> ")
        chat.sendline(question)
        chat.expect_exact(question)
        messages.append({"role": "user", "content": question})
        prompt = alone.chat_prompt(messages)
        (expected,) = alone.generate([prompt], max_new_tokens=20, stop=[], temperature=1.0, seed=seed)
        messages.append({"role": "assistant", "content": expected.text})
        shown = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", expected.text)
        for line in filter(None, shown.split("\n")):
            chat.expect_exact(line)
    chat.expect("> ")
    chat.sendline("/exit")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0


def test_ctrl_c_stops_an_answer_and_not_the_chat(folder: Path) -> None:
    chat = start("chat", str(folder))
    chat.expect("> ")
    chat.sendintr()
    # Python's input() can lose a signal between its prompt and its wait; a person presses the keys again.
    while chat.expect(["/exit ends", pexpect.TIMEOUT], timeout=5):
        chat.sendintr()
    chat.expect("> ")
    # The terminal echoes a question before the chat has read it; Ctrl-C then discards it, and the chat prints its help.
    # The first answer compiles its programs for seconds, so that one that was read is still being written.
    for _ in range(10):
        chat.sendline("How many?")
        chat.expect_exact("How many?")
        chat.sendintr()
        if chat.expect([r"\(stopped\)", "/exit ends", pexpect.TIMEOUT], timeout=5) == 0:
            break
    else:
        pytest.fail(f"Ctrl-C stopped none of 10 answers; the last output: {chat.before!r}")
    chat.expect("> ")
    chat.sendeof()
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0


def test_a_pipe_has_a_question_in_each_line(folder: Path, alone: JaxModel) -> None:
    done = lemur("chat", str(folder), "--max-tokens", "12", text="How many?\n\n/nonsense\nAnd now?")
    messages: list[dict[str, str]] = []
    expected = ""
    for question in ("How many?", "And now?"):
        messages.append({"role": "user", "content": question})
        text = alone.generate([alone.chat_prompt(messages)], max_new_tokens=12, stop=[])[0].text
        messages.append({"role": "assistant", "content": text})
        expected += text + "\n"
    assert (done.stdout, done.returncode) == (expected, 0), done.stderr
    assert done.stderr.count("/reset forgets") == 1


def test_a_long_chat_loses_its_beginning_but_not_its_system_turn(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    request = engine.request
    monkeypatch.setattr(engine, "request", lambda text, **rest: asked.append(text) or request(text, **rest))
    chat = Chat(engine, "Be brief.", 0.0, 0, 20)
    lines = iter(f"Question {number}: How many eggs are there?" for number in range(5))

    def line() -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    chat.run(line)
    assert len(asked) == 5 and all("Be brief." in prompt for prompt in asked)
    assert "Question 0" not in asked[-1] and "Question 4" in asked[-1]
    assert "its first question and answer are left out" in capsys.readouterr().err


def test_a_model_without_a_template_continues_each_line(folder: Path, alone: JaxModel, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "plain")
    config = tmp_path / "plain/tokenizer_config.json"
    config.write_text('{"bos_token": "<s>", "eos_token": "</s>"}', encoding="utf-8")
    done = lemur("chat", str(tmp_path / "plain"), "--max-tokens", "9", text="x\n")
    assert "plain has no chat template: it continues each line" in done.stderr
    assert (
        done.stdout
        == JaxModel.load(tmp_path / "plain", tile=1, bos=True).generate(["x"], max_new_tokens=9, stop=[])[0].text + "\n"
    )


def test_generate_prints_the_answer_alone(folder: Path, alone: JaxModel) -> None:
    (expected,) = alone.generate(["def add(a, b):"], max_new_tokens=12, stop=["zz"], temperature=1.0, seed=3)
    settings = ("--max-tokens", "12", "--stop", "zz", "--temperature", "1", "--seed", "3")
    assert lemur("generate", str(folder), "--prompt", "def add(a, b):", *settings).stdout == expected.text
    assert lemur("generate", str(folder), *settings, text="def add(a, b):").stdout == expected.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("chat", str(ROOT / "models/none")), "models/none: no such folder; build it with `make reproduce`"),
        (("generate", "nowhere", "--prompt", "x"), "nowhere: no such folder; is the path right?"),
        (("serve", str(ROOT / "tests")), "has no config.json, so it is not a model folder"),
    ],
)
def test_what_is_no_model_is_told_in_a_line(words: tuple[str, ...], message: str) -> None:
    done = lemur(*words)
    assert done.returncode == 1 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_prompt_too_long_and_too_much_memory(folder: Path) -> None:
    done = lemur("generate", str(folder), text="word " * 200)
    assert done.returncode == 1 and "the model's context 160" in done.stderr
    done = lemur("serve", str(folder), "--rows", str(10**9))
    assert done.returncode == 1 and "Lower --context or --rows" in done.stderr


def test_serve_says_where_it_is_and_ends_on_ctrl_c(folder: Path) -> None:
    serve = start("serve", str(folder), "--port", "0", "--tile", "4")
    serve.expect(r"tiny on http://127\.0\.0\.1:(\d+) ")
    url = f"http://127.0.0.1:{serve.match.group(1)}"
    assert requests.get(f"{url}/health", timeout=60).json() == {"status": "ok", "running": 0, "waiting": 0}
    with pytest.raises(requests.ConnectionError):
        requests.get(url.replace("127.0.0.1", "127.0.0.2"), timeout=60)
    serve.sendintr()
    serve.expect(pexpect.EOF)
    serve.close()
    assert "Traceback" not in plain(serve.before)
    assert serve.exitstatus == 0


def test_other_hosts_are_warned_about_and_a_taken_port_is_told(
    engine: Engine, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit, match="cannot be opened; name another --port"):
        listen(engine, "tiny", "0.0.0.0", served.port)
    assert "0.0.0.0 is reachable from other machines" in caplog.text
    caplog.clear()
    with pytest.raises(SystemExit):
        listen(engine, "tiny", "127.0.0.1", served.port)
    assert "reachable" not in caplog.text
