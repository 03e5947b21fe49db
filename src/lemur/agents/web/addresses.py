"""Where the sites are: their placeholders in task files, the names that the model reads, and their real addresses."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from lemur.benchmark_items.webarena import Task

REAL_NAMES = {
    "shopping_admin": "http://luma.com/admin",
    "shopping": "http://onestopmarket.com",
    "reddit": "http://reddit.com",
    "gitlab": "http://gitlab.com",
    "wikipedia": "http://wikipedia.org",
    "map": "http://openstreetmap.org",
    "homepage": "http://homepage.com",
}
"""What the model reads instead of a site's address. An address that begins with another one stands before it."""
VARIABLES = {site: site.upper() for site in REAL_NAMES}
PACK = {
    "shopping_admin": "http://127.0.0.1:7780/admin",
    "shopping": "http://127.0.0.1:7770",
    "reddit": "http://127.0.0.1:9999",
    "gitlab": "http://127.0.0.1:8023",
    "wikipedia": "http://127.0.0.1:8888",
    "homepage": "http://127.0.0.1:4399",
}
"""The project's own sites, inside each episode's network, at WebArena's ports."""
REACH_S = 10


@dataclass(frozen=True)
class Addresses:
    """`urls`: site -> address without a final slash; `own`: they are the project's own, started for each episode."""

    urls: Mapping[str, str]
    own: bool

    def fill(self, text: str) -> str:
        """`text` with addresses for placeholders such as __SHOPPING__."""
        for site in sorted(self.urls, key=len, reverse=True):
            text = text.replace(f"__{site.upper()}__", self.urls[site])
        return text

    def placeholders(self, text: str) -> str:
        """`text` with placeholders for addresses."""
        for site in REAL_NAMES:
            if site in self.urls:
                text = text.replace(self.urls[site], f"__{site.upper()}__")
        return text

    def shown(self, text: str) -> str:
        """`text` as the model reads it."""
        for site, name in REAL_NAMES.items():
            if site in self.urls:
                text = text.replace(self.urls[site], name)
        return text

    def hidden(self, text: str) -> str:
        """`text` as the model wrote it, with the addresses that it means."""
        for site, name in REAL_NAMES.items():
            if site in self.urls:
                text = text.replace(name, self.urls[site]).replace(name.replace("http", "https", 1), self.urls[site])
        return text


def own_sites() -> Addresses:
    return Addresses(PACK, own=True)


def sites_of_environment(environment: Mapping[str, str] = os.environ) -> Addresses:
    """The sites that the variables SHOPPING, SHOPPING_ADMIN, REDDIT, GITLAB, WIKIPEDIA, MAP and HOMEPAGE name, as in
    WebArena. A final slash is dropped: with it tasks 274 and 275 fail (BrowserGym issue 366).

    Raises `ValueError` for one that is no http address."""
    urls = {}
    for site, variable in VARIABLES.items():
        if url := environment.get(variable, "").strip().rstrip("/"):
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{variable} is {url!r}; the address of a WebArena site is allowed: http://HOST:PORT")
            urls[site] = url
    return Addresses(urls, own=False)


def reachable(addresses: Addresses) -> Addresses:
    """Those that answer."""
    return Addresses({site: url for site, url in addresses.urls.items() if _answers(url)}, addresses.own)


def _answers(url: str) -> bool:
    try:
        with urlopen(Request(url, headers={"User-Agent": "Mozilla/5.0"}), timeout=REACH_S):
            return True
    except HTTPError:
        return True
    except (URLError, OSError, ValueError):
        return False


def missing_sites(task: Task, addresses: Addresses) -> list[str]:
    """Sites that `task` needs and that are not there."""
    text = " ".join([*task.start_url, task.evaluation.url, *(target.url for target in task.evaluation.targets)])
    needed = {*task.sites, *task.logins, *(site for site in REAL_NAMES if f"__{site.upper()}__" in text)}
    return sorted(needed - set(addresses.urls))


def runnable(tasks: Sequence[Task], addresses: Addresses) -> tuple[list[Task], dict[str, int]]:
    """Tasks whose sites are all there, and how many tasks lack each other site."""
    possible, lacking = [], dict.fromkeys(REAL_NAMES, 0)
    for task in tasks:
        missing = missing_sites(task, addresses)
        for site in missing:
            lacking[site] = lacking.get(site, 0) + 1
        if not missing:
            possible.append(task)
    return possible, {site: count for site, count in lacking.items() if count}
