"""A wiki to read and search, like Kiwix."""

from flask import request

from lemur.agents.web.sites.site import Database, Site


def make(database: Database, urls: dict[str, str]) -> Site:
    site = Site("wiki", "Lighthouse Encyclopedia", database, urls)

    @site.app.get("/")
    def front() -> str:
        return site.page(
            "articles", heading="All articles", articles=database.all("select * from articles order by title")
        )

    @site.app.get("/wiki/<title>")
    def article(title: str) -> str:
        found = database.one("select * from articles where title = ?", title.replace("_", " "))
        return site.page(
            "article", article=found, sections=[part.partition("\n") for part in found["text"].split("\n\n")]
        )

    @site.app.get("/search")
    def search() -> str:
        words = request.args.get("pattern", "")
        query = "select * from articles where title like ? or text like ? order by title"
        found = database.all(query, f"%{words}%", f"%{words}%")
        return site.page("articles", heading=f"Results for '{words}'", articles=found)

    return site
