"""Chromium, driven by playwright: opens pages, acts on them, shows them as text, and looks things up at the end."""

import html
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, CDPSession, Page, Playwright, Request, Route, WebSocketRoute
from playwright.sync_api import Error as PlaywrightError

from lemur.agents.web.helpers import PAGE, parse_helper, post_url
from lemur.agents.web.inside import login, shop_api
from lemur.agents.web.inside.tree import Element, Numbers, boxes, tree

WINDOW = (1280, 720)
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--font-render-hinting=none",
)
TABS = 10
"""Tabs of an episode; a page that opens more loses them."""
FEW_WINDOWS = f"""(() => {{
  const open = window.open.bind(window);
  let left = {TABS};
  window.open = (...of) => left-- > 0 ? open(...of) : null;
}})()"""
"""Chromium dies of some hundred windows opened at once, before they can be closed."""
TIMEOUT_MS = 30_000
QUIET_S = 0.15
"""A page is ready once it has asked the network nothing for so long."""
SETTLE_S = 10.0
LAST_URL = "__last_url__"


class Browser:
    """One episode's browser. `allowed`: origins that pages may load from; `clock`: fixed time of pages, or `None`."""

    def __init__(
        self, playwright: Playwright, program: str, *, own_sandbox: bool, allowed: Sequence[str], clock: str | None
    ) -> None:
        self._browser = playwright.chromium.launch(
            executable_path=program, chromium_sandbox=own_sandbox, args=list(FLAGS), timeout=120_000
        )
        self._allowed = {_origin(url) for url in allowed}
        self._context: BrowserContext = self._browser.new_context(
            viewport={"width": WINDOW[0], "height": WINDOW[1]},
            device_scale_factor=1,
            locale="en-US",
            timezone_id="UTC",
            service_workers="block",
            accept_downloads=False,
            reduced_motion="reduce",
        )
        self._context.set_default_timeout(TIMEOUT_MS)
        self._context.add_init_script(FEW_WINDOWS)
        if clock is not None:
            self._context.clock.set_fixed_time(clock)
        self._context.route("**/*", self._filter)
        self._context.route_web_socket("**/*", _refuse)
        self._pages: list[Page] = []
        self._loading: set[Request] = set()
        self._changed = time.monotonic()
        self._context.on("page", self._opened)
        self._context.on("request", self._asked)
        self._context.on("requestfinished", self._answered)
        self._context.on("requestfailed", self._answered)
        self._numbers = Numbers()
        self._elements: dict[int, Element] = {}
        self._page = self._context.new_page()

    def sign_in(self, sites: dict[str, str]) -> None:
        """`sites`: name -> address."""
        for site, url in sites.items():
            login.sign_in(self._page, site, url)
            self._settle()

    def open(self, urls: Sequence[str]) -> None:
        """Open `urls`, one a tab, with the first one in front."""
        first = self._page
        for number, url in enumerate(urls):
            page = first if number == 0 else self._context.new_page()
            page.goto(url)
            self._settle(page)
        self._page = first
        first.bring_to_front()

    def observe(self) -> dict[str, Any]:
        """Titles of the tabs, the tree of the one in front, its address, and each element's text by number."""
        self._settle()
        for attempt in (1, 2, 3):
            pages = list(self._pages)
            try:
                text, titles = self._tree(), [page.title() for page in pages]
                break
            except PlaywrightError:  # the page was replaced meanwhile
                if attempt == 3:
                    raise
                self._settle()
        tabs = [
            f"Tab {number}{' (current)' if page is self._page else ''}: {title}"
            for number, (page, title) in enumerate(zip(pages, titles, strict=True))
        ]
        nodes = {number: element.text for number, element in self._elements.items()}
        return {"observation": " | ".join(tabs) + f"\n\n{text}", "url": self._page.url, "nodes": nodes}

    def act(self, action: dict[str, Any]) -> str:
        """Act; the reason why it was not possible, or empty. The page may have changed anyway."""
        try:
            _ACTIONS[action["name"]](self, action)
        except (PlaywrightError, LookupError, ValueError) as error:
            return str(error).splitlines()[0]
        self._settle()
        return ""

    def collect(self, targets: Sequence[dict[str, Any]], shop: str) -> tuple[str, list[str]]:
        """The address of the page in front, and what is at each target, looked at one after the other as WebArena does:
        what a target does to the page the next one sees. `shop`: the shop's address."""
        url = self._page.url
        return url, [self._target(target, shop) for target in targets]

    def screenshot(self) -> bytes:
        """A PNG. Its bytes depend on this machine's fonts and processor."""
        return self._page.screenshot()

    def close(self) -> None:
        self._browser.close()

    def _tree(self) -> str:
        session: CDPSession = self._context.new_cdp_session(self._page)
        try:
            document = session.send("Page.getFrameTree")["frameTree"]["frame"]["loaderId"]
            snapshot = session.send("DOMSnapshot.captureSnapshot", {"computedStyles": [], "includeDOMRects": True})
            nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        finally:
            session.detach()
        text, self._elements = tree(nodes, boxes(snapshot), WINDOW, document, self._numbers)
        return text

    def _target(self, target: dict[str, Any], shop: str) -> str:
        url, locator = target["url"], target["locator"]
        if url.startswith("func:"):
            call = parse_helper(url)
            if call.name == "reddit_get_post_url":
                url = post_url(self._page.url if call.arguments[0] == LAST_URL else call.arguments[0])
            else:
                url = shop_api.latest_order_url(shop)
        try:
            if url != "last":
                self._page.goto(url)
                self._settle()
            if not locator.strip():
                return html.unescape(self._page.content())
            if locator.startswith("func:"):
                return html.unescape(self._helper(locator, shop))
            if not locator.startswith(("document.", "[...document.")):
                raise ValueError(f"locator {locator!r} is neither a func: nor begins with document. or [...document.")
            for script in target["prepare"]:
                self._page.evaluate(f"() => {script}")
            return html.unescape(str(self._page.evaluate(f"() => {locator}") or ""))
        except PlaywrightError:
            return ""  # another page than the task's

    def _helper(self, locator: str, shop: str) -> str:
        call = parse_helper(locator)
        if call.name == "gitlab_get_project_memeber_role":
            assert call.arguments[0] == PAGE
            return str(self._page.evaluate(MEMBER_ROLE, f"@{call.arguments[1]}"))
        review = shop_api.latest_review(shop, call.arguments[0])
        return review["author" if call.name.endswith("author") else "rating"]

    def _box(self, action: dict[str, Any]) -> tuple[float, float]:
        """The middle of an element. Raises `LookupError` if the page shown last has none of that number."""
        left, top, width, height = self._elements[action["element"]].box
        return left + width / 2, top + height / 2

    def _filter(self, route: Route) -> None:
        if _origin(route.request.url) in self._allowed:
            route.continue_()
        else:
            route.abort("blockedbyclient")

    def _opened(self, page: Page) -> None:
        if len(self._pages) >= TABS:
            page.close()
            return
        self._pages.append(page)
        page.on("close", self._closed)
        page.on("dialog", lambda dialog: dialog.accept())
        self._changed = time.monotonic()

    def _closed(self, page: Page) -> None:
        self._pages = [each for each in self._pages if each is not page]

    def _asked(self, request: Request) -> None:
        self._loading.add(request)
        self._changed = time.monotonic()

    def _answered(self, request: Request) -> None:
        self._loading.discard(request)
        self._changed = time.monotonic()

    def _settle(self, page: Page | None = None) -> None:
        """Wait until the page in front has loaded and asks the network nothing more, `SETTLE_S` at most."""
        page = page or self._page
        if page.is_closed():
            page = self._page = self._pages[-1] if self._pages else self._context.new_page()
        deadline = time.monotonic() + SETTLE_S
        self._changed = max(self._changed, time.monotonic() - QUIET_S / 2)
        while time.monotonic() < deadline:
            try:
                # After two turns of the page's own loop what an event began has reached the network.
                page.evaluate("() => new Promise(done => setTimeout(() => setTimeout(done)))")
                page.wait_for_load_state("load", timeout=1000)
            except PlaywrightError:
                pass
            if not self._loading and time.monotonic() - self._changed >= QUIET_S:
                return
            page.wait_for_timeout(20)
        self._loading.clear()

    def _click(self, action: dict[str, Any]) -> None:
        before = len(self._pages)
        self._page.mouse.click(*self._box(action))
        self._settle()
        if len(self._pages) > before:  # a link opened a tab
            self._page = self._pages[-1]

    def _type(self, action: dict[str, Any]) -> None:
        self._page.mouse.click(*self._box(action))
        self._page.keyboard.type(action["text"] + ("\n" if action["enter"] else ""))

    def _scroll(self, action: dict[str, Any]) -> None:
        sign = "-" if action["text"] == "up" else "+"
        root = "(document.scrollingElement || document.body)"
        self._page.evaluate(f"() => {{ {root}.scrollTop = {root}.scrollTop {sign} window.innerHeight; }}")

    def _goto(self, action: dict[str, Any]) -> None:
        url = action["text"].strip()
        if _origin(url) not in self._allowed:
            raise ValueError(f"net::ERR_BLOCKED_BY_CLIENT at {url}")
        self._page.goto(url)

    def _new_tab(self, action: dict[str, Any]) -> None:
        if len(self._pages) >= TABS:
            raise ValueError(f"{TABS} tabs are open")
        self._page = self._context.new_page()

    def _close_tab(self, action: dict[str, Any]) -> None:
        self._page.close()
        self._page = self._pages[-1] if self._pages else self._context.new_page()

    def _focus_tab(self, action: dict[str, Any]) -> None:
        self._page = self._pages[action["tab"]]
        self._page.bring_to_front()


_ACTIONS: dict[str, Callable[[Browser, dict[str, Any]], None]] = {
    "click": Browser._click,
    "hover": lambda browser, action: browser._page.mouse.move(*browser._box(action)),
    "type": Browser._type,
    "press": lambda browser, action: browser._page.keyboard.press(_keys(action["text"])),
    "scroll": Browser._scroll,
    "goto": Browser._goto,
    "go_back": lambda browser, action: browser._page.go_back() and None,
    "go_forward": lambda browser, action: browser._page.go_forward() and None,
    "wait": lambda browser, action: None,
    "new_tab": Browser._new_tab,
    "close_tab": Browser._close_tab,
    "tab_focus": Browser._focus_tab,
}
KEYS = {"ctrl": "Control", "meta": "Control", "cmd": "Control", "alt": "Alt", "shift": "Shift"}
MEMBER_ROLE = """account => {
    const names = document.querySelectorAll("td[data-label='Account'] span.gl-avatar-labeled-sublabel");
    const index = [...names].findIndex(name => name.outerText === account);
    return index < 0 ? "" : document.querySelectorAll("td.col-max-role span")[index].outerText;
}"""


def _keys(combination: str) -> str:
    """`ctrl+a` and `Meta+a` as playwright calls them on Linux; the prompt itself says Ctrl."""
    return "+".join(KEYS.get(key.lower(), key) for key in combination.split("+"))


def _refuse(socket: WebSocketRoute) -> None:
    socket.close()


def _origin(url: str) -> str:
    """Scheme, host and port; the address itself for one that has none, such as file:///etc/passwd."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.scheme in ("http", "https") else url
