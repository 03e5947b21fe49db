"""The page that lists the sites, and the accounts on them."""

from lemur.agents.web.sites.site import Database, Site


def make(database: Database, urls: dict[str, str]) -> Site:
    site = Site("home", "Homepage", database, urls)

    @site.app.get("/")
    def front() -> str:
        return site.page("sites")

    @site.app.get("/password.html")
    def passwords() -> str:
        return site.page("passwords", accounts=database.all("select * from accounts order by site, name"))

    return site
