"""Starts the sites, each at its port, in threads of this process."""

import logging
from threading import Thread
from urllib.parse import urlsplit

from werkzeug.serving import WSGIRequestHandler, make_server

from lemur.agents.web.sites import admin, code, forum, home, shop, wiki
from lemur.agents.web.sites.site import Database

SITES = {
    "shopping": shop.make,
    "shopping_admin": admin.make,
    "reddit": forum.make,
    "wikipedia": wiki.make,
    "gitlab": code.make,
    "homepage": home.make,
}


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Thu, 15 Jun 2023 12:00:00 GMT"


def start(urls: dict[str, str]) -> None:
    """Start all sites; they answer when this returns. `urls`: site -> address on this machine."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    database = Database()
    for name, make in SITES.items():
        site, address = make(database, urls), urlsplit(urls[name])
        assert address.hostname is not None
        server = make_server(address.hostname, address.port or 80, site.app, threaded=True, request_handler=_Handler)
        Thread(target=server.serve_forever, daemon=True).start()
