"""Wikipedia itself, only if a parameter asks for it: pages change, so its results cannot be had again."""

import json
import time
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.search.interface import NOTHING, RESULT_PAGES, Page, result, used
from lemur.core.records import Record

API = "https://en.wikipedia.org/w/api.php"
USER_AGENT = "lemur-rebuilt/0.1 (evaluation of language agents; python-requests)"
SECONDS = 20.0
LARGEST_ANSWER = 1 << 20


class Live:
    """The first two hits of MediaWiki's search, each with the introduction of its page. A hit that is missing or only
    lists meanings of its title is passed over, as MINT does."""

    def __init__(self, api: str = API, seconds: float = SECONDS) -> None:
        """`seconds`: for all of one search."""
        self._api = api
        self._seconds = seconds

    def search(self, query: str) -> str:
        query = used(query)
        if not query:
            return NOTHING
        deadline = time.monotonic() + self._seconds
        hits = self._ask(deadline, {"list": "search", "srsearch": query, "srlimit": RESULT_PAGES, "srprop": ""})
        try:
            titles = [hit["title"] for hit in hits.get("search", [])]
            if not titles:
                return NOTHING
            found = self._ask(
                deadline,
                {
                    "prop": "extracts|pageprops",
                    "titles": "|".join(titles),
                    "redirects": 1,
                    "explaintext": 1,
                    "exintro": 1,
                    "exlimit": "max",
                    "ppprop": "disambiguation",
                },
            )
            renamed = {row["from"]: row["to"] for row in (*found.get("normalized", ()), *found.get("redirects", ()))}
            pages = {page["title"]: page for page in found.get("pages", [])}
            shown = ((title, pages.get(renamed.get(title, title), {})) for title in titles)
            return result(
                Page(title, page["extract"]) for title, page in shown if "extract" in page and "pageprops" not in page
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise EnvironmentFault(f"{self._api}: an answer has not the form of MediaWiki's API ({error!r})") from error

    def _ask(self, deadline: float, parameters: dict[str, Any]) -> dict[str, Any]:
        """The part `query` of an answer. Raises `EnvironmentFault`; the read stops at the deadline also if the server
        sends byte after byte."""
        seconds = max(0.1, deadline - time.monotonic())
        try:
            with requests.get(
                self._api,
                params={"action": "query", "format": "json", "formatversion": 2, **parameters},
                headers={"User-Agent": USER_AGENT},
                timeout=seconds,
                stream=True,
            ) as response:
                response.raise_for_status()
                content = b""
                while chunk := response.raw.read1(1 << 14, decode_content=True):
                    content += chunk
                    if len(content) > LARGEST_ANSWER or time.monotonic() > deadline:
                        raise EnvironmentFault(f"{self._api}: no whole answer within {self._seconds:g} s and 1 MiB")
            answer = json.loads(content)
            if "error" in answer:
                raise EnvironmentFault(f"{self._api}: {str(answer['error'])[:200]}")
            query = answer.get("query", {})
        except (requests.RequestException, HTTPError, ValueError, AttributeError, TypeError) as error:
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise EnvironmentFault(f"{self._api} does not answer ({reason}); is there a connection?") from error
        if not isinstance(query, dict):
            raise EnvironmentFault(f"{self._api}: an answer has not the form of MediaWiki's API")
        return query

    def record(self) -> Record:
        return {"api": self._api}
