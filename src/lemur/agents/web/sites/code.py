"""A code host, with paths and element names like GitLab's."""

from flask import flash, redirect, request
from werkzeug.wrappers import Response

from lemur.agents.web.sites.site import TODAY, Database, Row, Site, form

ROLES = ("Guest", "Reporter", "Developer", "Maintainer", "Owner")


def make(database: Database, urls: dict[str, str]) -> Site:
    site = Site("code", "Slipway", database, urls)
    app, page = site.app, site.page
    guarded = site.signed_in("/users/sign_in")
    site.sign_in("/users/sign_in", "sign_in", after="/")

    def project(owner: str, name: str) -> Row:
        return database.one("select * from projects where path = ?", f"{owner}/{name}")

    @app.get("/")
    @guarded
    def front() -> str:
        words = request.args.get("search", "")
        query = "select * from projects where path like ? or description like ? order by stars desc"
        return page("projects", projects=database.all(query, f"%{words}%", f"%{words}%"))

    @app.get("/dashboard/todos")
    @guarded
    def todos() -> str:
        query = "select i.*, p.path from issues i join projects p on p.id = project_id"
        mine = "where assignee = ? and state = 'open'"
        return page("issues", heading="To-Do List", issues=database.all(f"{query} {mine} order by i.id", site.user()))

    @app.get("/<owner>/<name>")
    @guarded
    def overview(owner: str, name: str) -> str:
        found = project(owner, name)
        commits = database.all("select * from commits where project_id = ? order by id desc", found["id"])
        return page("project", project=found, commits=commits)

    @app.post("/<owner>/<name>/star")
    @guarded
    def star(owner: str, name: str) -> Response:
        database.run(
            "update projects set stars = stars + 1 - 2 * starred, starred = 1 - starred where path = ?",
            f"{owner}/{name}",
        )
        return redirect(f"/{owner}/{name}")

    @app.get("/<owner>/<name>/-/issues/")
    @guarded
    def issues(owner: str, name: str) -> str:
        label, state = request.args.get("label", "%"), request.args.get("state", "open")
        query = (
            "select i.*, ? as path from issues i where project_id = ? and label like ? and state = ? order by iid desc"
        )
        found = database.all(query, f"{owner}/{name}", project(owner, name)["id"], label, state)
        return page("issues", heading="Issues", project=project(owner, name), issues=found)

    @app.route("/<owner>/<name>/-/issues/new", methods=["GET", "POST"])
    @guarded
    def new_issue(owner: str, name: str) -> str | Response:
        found = project(owner, name)
        if request.method == "GET":
            return page("new_issue", project=found)
        number = database.one("select coalesce(max(iid), 0) + 1 as n from issues where project_id = ?", found["id"])[
            "n"
        ]
        title, body, assignee, due = form("title", "body", "assignee", "due")
        database.run(
            "insert into issues(project_id, iid, title, body, author, assignee, due) values (?, ?, ?, ?, ?, ?, ?)",
            *(found["id"], number, title, body, site.user(), assignee, due),
        )
        return redirect(f"/{owner}/{name}/-/issues/{number}")

    @app.get("/<owner>/<name>/-/issues/<int:number>")
    @guarded
    def issue(owner: str, name: str, number: int) -> str:
        found = one_issue(owner, name, number)
        notes = database.all("select * from notes where issue_id = ? order by id", found["id"])
        return page("issue", project=project(owner, name), issue=found, notes=notes)

    def one_issue(owner: str, name: str, number: int) -> Row:
        return database.one("select * from issues where project_id = ? and iid = ?", project(owner, name)["id"], number)

    @app.post("/<owner>/<name>/-/issues/<int:number>/<action>")
    @guarded
    def change(owner: str, name: str, number: int, action: str) -> Response:
        found = one_issue(owner, name, number)
        if action == "close":
            database.run("update issues set state = 'closed' where id = ?", found["id"])
        else:
            database.run(
                "insert into notes(issue_id, author, text) values (?, ?, ?)", found["id"], site.user(), *form("note")
            )
        return redirect(f"/{owner}/{name}/-/issues/{number}")

    @app.route("/<owner>/<name>/-/project_members", methods=["GET", "POST"])
    @guarded
    def members(owner: str, name: str) -> str:
        found = project(owner, name)
        if request.method == "POST":
            account, role = form("account", "role")
            if role.capitalize() in ROLES and database.all("select 1 from profiles where name = ?", account):
                values = found["id"], account, role.capitalize()
                database.run(
                    "insert into members values (?, ?, ?) on conflict do update set role = excluded.role", *values
                )
            else:
                flash(f"There is no such account or role. Roles: {', '.join(ROLES)}.")
        query = (
            "select m.*, p.shown from members m join profiles p on p.name = account where project_id = ? order by name"
        )
        return page("members", project=found, members=database.all(query, found["id"]), roles=ROLES)

    @app.route("/<owner>/<name>/-/milestones", methods=["GET", "POST"])
    @guarded
    def milestones(owner: str, name: str) -> str:
        found = project(owner, name)
        if request.method == "POST":
            title, start, due = form("title", "start", "due")
            database.run(
                "insert into milestones(project_id, title, start, due) values (?, ?, ?, ?)",
                found["id"],
                title,
                start or TODAY,
                due,
            )
        return page(
            "milestones",
            project=found,
            milestones=database.all("select * from milestones where project_id = ? order by id", found["id"]),
        )

    @app.route("/-/profile", methods=["GET", "POST"])
    @guarded
    def profile() -> str:
        if request.method == "POST":
            database.run("update profiles set status = ? where name = ?", *form("status"), site.user())
        return page("profile", profile=database.one("select * from profiles where name = ?", site.user()))

    return site
