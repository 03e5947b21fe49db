"""A headless Chromium for the scripts that take pictures: Debian's chromium and chromium-driver."""

import base64
import io
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from PIL import Image
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
    *("disable-background-networking", "disable-component-update", "disable-sync", "hide-scrollbars"),
)
PORT = 9517


@contextmanager
def driver() -> Iterator[None]:
    """The server that `session` needs."""
    with subprocess.Popen(["chromedriver", f"--port={PORT}"], stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def session(width: int, height: int):
    """A browser; `call(what, **arguments)` does one step of the WebDriver protocol."""
    screen = {"width": width, "height": height, "pixelRatio": 1, "mobile": width < 500}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [f"--{flag}" for flag in FLAGS] + [f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        chrome = {"binary": "/usr/bin/chromium", "args": arguments, "mobileEmulation": {"deviceMetrics": screen}}
        always = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": chrome}}}
        connect = retry(wait=wait_fixed(0.5), stop=stop_after_delay(20))(requests.post)
        opened = connect(f"http://127.0.0.1:{PORT}/session", json=always, timeout=60).json()["value"]
        base = f"http://127.0.0.1:{PORT}/session/{opened['sessionId']}"

        def call(what: str, **given: object) -> object:
            method = requests.get if what == "screenshot" else requests.post
            answer = method(f"{base}/{what}", json=given, timeout=60).json()["value"]
            if isinstance(answer, dict) and "error" in answer:
                raise RuntimeError(f"{what}: {answer['message']}")
            return answer

        try:
            yield call
        finally:
            requests.delete(base, timeout=60)


def wait(call, condition: str, seconds: float = 120) -> None:
    """Until `condition`, a JavaScript expression, is true in the page."""
    until = retry(retry=retry_if_result(lambda done: not done), wait=wait_fixed(0.5), stop=stop_after_delay(seconds))
    until(lambda: call("execute/sync", script=f"return {condition}", args=[]))()


def picture(call) -> bytes:
    """The visible page as a PNG with 256 colours."""
    taken = Image.open(io.BytesIO(base64.b64decode(call("screenshot")))).convert("RGB")
    file = io.BytesIO()
    taken.quantize(256, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return file.getvalue()
