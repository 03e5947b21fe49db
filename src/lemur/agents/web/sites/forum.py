"""A forum, with paths and element names like Postmill's."""

from flask import redirect, request
from werkzeug.wrappers import Response

from lemur.agents.web.sites.site import TODAY, Database, Row, Site, form


def make(database: Database, urls: dict[str, str]) -> Site:
    site = Site("forum", "Harbour", database, urls)
    app, page = site.app, site.page
    guarded = site.signed_in("/login")
    site.sign_in("/login", "sign_in", after="/")

    def posts(condition: str, *values: str | int) -> list[Row]:
        mine = "coalesce((select choice from votes v where v.post_id = p.id and v.user = ?), 0)"
        replies = "(select count(*) from comments c where c.post_id = p.id)"
        query = f"select p.*, p.votes + {mine} as score, {mine} as choice, {replies} as replies from posts p"
        return database.all(f"{query} where {condition}", site.user(), site.user(), *values)

    @app.get("/")
    def front() -> str:
        return page("posts", heading="Featured posts", posts=posts("1 order by score desc, p.id limit 10"))

    @app.get("/forums")
    def forums() -> str:
        return page("forums", forums=database.all("select * from forums order by name"))

    @app.get("/f/<name>")
    def forum(name: str) -> str:
        found = database.one("select * from forums where name = ?", name)
        order = {"new": "p.id desc", "top": "score desc, p.id"}[request.args.get("sort", "top")]
        return page("posts", heading=f"/f/{name}", forum=found, posts=posts(f"forum = ? order by {order}", name))

    @app.get("/f/<name>/<int:post>/")
    @app.get("/f/<name>/<int:post>/<slug>")
    def post(name: str, post: int, slug: str = "") -> str:
        comments = database.all("select * from comments where post_id = ? order by id", post)
        return page("post", post=one(post), comments=comments)

    def one(post: int) -> Row:
        return next(iter(posts("p.id = ?", post)), None) or database.one("select 1 where 0")

    @app.post("/vote/<int:post>/<choice>")
    @guarded
    def vote(post: int, choice: str) -> Response:
        value = 1 if choice == "up" else -1
        if one(post)["choice"] == value:  # a second press takes the vote back
            value = 0
        database.run(
            "insert into votes values (?, ?, ?) on conflict do update set choice = excluded.choice",
            site.user(),
            post,
            value,
        )
        return redirect(request.referrer or "/")

    @app.post("/comment/<int:post>")
    @guarded
    def comment(post: int) -> Response:
        database.run(
            "insert into comments(post_id, author, body) values (?, ?, ?)", post, site.user(), *form("comment")
        )
        return redirect(f"/f/{one(post)['forum']}/{post}/")

    @app.route("/submit/<name>", methods=["GET", "POST"])
    @guarded
    def submit(name: str) -> str | Response:
        found = database.one("select * from forums where name = ?", name)
        if request.method == "GET":
            return page("submit", forum=found)
        title, body = form("title", "body")
        values = name, site.user(), title, body, TODAY, 1
        number = database.run(
            "insert into posts(forum, author, title, body, created, votes) values (?,?,?,?,?,?)", *values
        )
        return redirect(f"/f/{name}/{number}/{'-'.join(title.lower().split())}")

    @app.post("/f/<name>/subscribe")
    @guarded
    def subscribe(name: str) -> Response:
        database.run("insert or ignore into subscriptions values (?, ?)", site.user(), name)
        return redirect(f"/f/{name}")

    @app.route("/user/<name>", methods=["GET", "POST"])
    def profile(name: str) -> str:
        if request.method == "POST" and site.user() == name:
            database.run("update profiles set biography = ? where name = ?", *form("biography"), name)
        forums = database.all("select forum from subscriptions where user = ? order by forum", name)
        found = database.one("select * from profiles where name = ?", name)
        return page("profile", profile=found, forums=forums, posts=posts("author = ? order by p.id desc", name))

    return site
