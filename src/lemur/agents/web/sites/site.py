"""What the sites share: their database, accounts, and how a page is made."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from flask import Flask, flash, redirect, render_template, request, session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

TODAY = "2023-06-15"
"""The date of everything that is made in an episode."""
SEED = Path(__file__).with_name("seed.sql")

Row = sqlite3.Row


class Database:
    """The sites' data in memory, as seed.sql has it. Requests use it one after the other."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(SEED.read_text(encoding="utf-8"))
        self.lock = threading.RLock()

    def all(self, query: str, *values: Any) -> list[Row]:
        return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> Row:
        """The first row. Raises werkzeug's `NotFound` if there is none."""
        row = self._connection.execute(query, values).fetchone()
        if row is None:
            raise NotFound
        return row

    def run(self, query: str, *values: Any) -> int:
        """Change data; returns the id of the row that was added last."""
        return self._connection.execute(query, values).lastrowid or 0


class Site:
    """A Flask application with a name, accounts and the other sites' addresses."""

    def __init__(self, name: str, title: str, database: Database, urls: dict[str, str]) -> None:
        self.name, self.title, self.database = name, title, database
        self.app = Flask(name, root_path=str(Path(__file__).parent), template_folder="templates")
        # Cookies of one host are the same at all its ports.
        self.app.config.update(SECRET_KEY=name, SESSION_COOKIE_NAME=name)
        self.app.context_processor(lambda: {"site": self, "user": self.user(), "today": TODAY, "urls": urls})
        self.app.before_request(self._begin)
        self.app.teardown_request(lambda error: database.lock.release())

    def _begin(self) -> None:
        self.database.lock.acquire()

    def page(self, template: str, **values: Any) -> str:
        return render_template(f"{self.name}/{template}.html", **values)

    def user(self) -> str | None:
        """The name of the account that is signed in."""
        return session.get("user")

    def sign_in(self, path: str, template: str, *, after: str) -> None:
        """Add the pages to sign in, at `path`, and out, at /logout."""

        def sign_in() -> str | Response:
            if request.method == "POST":
                name, password = request.form["name"], request.form["password"]
                query = "select 1 from accounts where site = ? and name = ? and password = ?"
                if self.database.all(query, self.name, name, password):
                    session["user"] = name
                    return redirect(after)
                flash("The name or the password is wrong.")
            return self.page(template)

        def sign_out() -> Response:
            session.clear()
            return redirect(path)

        self.app.add_url_rule(path, "sign_in", sign_in, methods=["GET", "POST"])
        self.app.add_url_rule("/logout", "sign_out", sign_out)

    def signed_in(self, sign_in: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Send visitors without an account to `sign_in` first."""

        def guard(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def guarded(**values: Any) -> Any:
                return view(**values) if self.user() else redirect(sign_in)

            return guarded

        return guard


def form(*names: str) -> Sequence[str]:
    """Fields of the form that was sent, without white space around them."""
    return [request.form.get(name, "").strip() for name in names]
