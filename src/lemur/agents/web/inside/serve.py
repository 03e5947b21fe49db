"""The process in the sandbox: one episode's sites and browser, which answer a JSON line with a JSON line."""

import base64
import json
import os
import shutil
import subprocess
import sys
import traceback
from typing import Any

from playwright.sync_api import sync_playwright

from lemur.agents.web.inside.browser import Browser


def main() -> None:
    requests, answers = sys.stdin, os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    settings = json.loads(requests.readline())
    if settings["own_sites"]:
        from lemur.agents.web.sites import serve

        serve.start(settings["urls"])
    with sync_playwright() as playwright:
        browser = Browser(
            playwright,
            settings["program"],
            own_sandbox=_can_nest(),
            allowed=list(settings["urls"].values()),
            clock=settings["clock"],
        )
        shop = settings["urls"].get("shopping", "")
        for line in requests:
            request = json.loads(line)
            try:
                reply = _answer(browser, request, shop)
            except Exception:
                reply = {"fault": traceback.format_exc(limit=-3)}
            answers.write(json.dumps(reply) + "\n")
            answers.flush()


def _answer(browser: Browser, request: dict[str, Any], shop: str) -> dict[str, Any]:
    match request["do"]:
        case "open":
            browser.sign_in(request["logins"])
            browser.open(request["urls"])
            return browser.observe()
        case "act":
            failed = browser.act(request["action"])
            return {**browser.observe(), "failed": failed}
        case "collect":
            url, contents = browser.collect(request["targets"], shop)
            return {"url": url, "contents": contents}
        case "screenshot":
            return {"png": base64.b64encode(browser.screenshot()).decode()}
    raise ValueError(f"unknown request {request['do']!r}")


def _can_nest() -> bool:
    """Whether Chromium can make its own sandbox in here."""
    unshare = shutil.which("unshare")
    return unshare is not None and not subprocess.run([unshare, "-Ur", "true"], capture_output=True).returncode


if __name__ == "__main__":
    main()
