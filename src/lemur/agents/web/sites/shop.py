"""A shop, with paths and element names like Magento's."""

from typing import Any

from flask import flash, jsonify, redirect, request
from werkzeug.wrappers import Response

from lemur.agents.web.sites.site import TODAY, Database, Row, Site, form

SIGN_IN = "/customer/account/login/"
TOKEN = "token-of-the-admin"


def make(database: Database, urls: dict[str, str]) -> Site:
    site = Site("shop", "Lighthouse Goods", database, urls)
    app, page = site.app, site.page
    guarded = site.signed_in(SIGN_IN)
    site.sign_in(SIGN_IN, "sign_in", after="/customer/account/")
    app.context_processor(lambda: {
        "categories": [row["category"] for row in database.all("select distinct category from products order by 1")],
        "in_cart": database.one("select coalesce(sum(qty), 0) as n from cart")["n"],
    })  # fmt: skip

    def products(condition: str, *values: Any) -> list[Row]:
        return database.all(f"select * from products where enabled and {condition} order by id", *values)

    def customer() -> Row:
        return database.one("select * from customers where email = ?", site.user())

    @app.get("/")
    def front() -> str:
        return page("products", heading="New products", products=products("id <= 8"))

    @app.get("/<slug>.html")
    def product(slug: str) -> str:
        found = database.one("select * from products where slug = ? and enabled", slug)
        return page("product", product=found, reviews=reviews(found["id"]))

    def reviews(product: int) -> list[Row]:
        return database.all("select * from reviews where product_id = ? order by id", product)

    @app.get("/category/<name>")
    def category(name: str) -> str:
        low, _, high = request.args.get("price", "0-").partition("-")
        found = products("category = ? and price >= ? and price <= ?", name, float(low), float(high or 1e9))
        return page("products", heading=name, products=found, prices=True)

    @app.get("/catalogsearch/result/")
    def search() -> str:
        words = request.args.get("q", "").lower().split()
        found = [row for row in products("1") if all(word in row["name"].lower() for word in words)]
        return page("products", heading=f"Search results for: '{request.args.get('q', '')}'", products=found)

    @app.post("/<slug>/review")
    def review(slug: str) -> Response:
        found = database.one("select id from products where slug = ?", slug)
        nickname, title, detail, rating = form("nickname", "title", "detail", "rating")
        values = found["id"], nickname, int(rating or 3) * 20, title, detail, TODAY
        database.run(
            "insert into reviews(product_id, nickname, percent, title, detail, created) values (?,?,?,?,?,?)", *values
        )
        flash("You submitted your review for moderation.")
        return redirect(f"/{slug}.html")

    @app.post("/checkout/cart/add/<int:product>")
    def add(product: int) -> Response:
        found = database.one("select * from products where id = ?", product)
        count = int(request.form.get("qty") or 1)
        database.run(
            "insert into cart values (?, ?) on conflict(product_id) do update set qty = qty + excluded.qty",
            product,
            count,
        )
        flash(f"You added {found['name']} to your shopping cart.")
        return redirect(f"/{found['slug']}.html")

    @app.post("/checkout/cart/remove/<int:product>")
    def remove(product: int) -> Response:
        database.run("delete from cart where product_id = ?", product)
        return redirect("/checkout/cart/")

    def cart_lines() -> list[Row]:
        return database.all(
            "select p.*, c.qty as count from cart c join products p on p.id = c.product_id order by p.id"
        )

    @app.get("/checkout/cart/")
    def cart() -> str:
        lines = cart_lines()
        return page("cart", lines=lines, total=sum(line["price"] * line["count"] for line in lines))

    @app.post("/checkout/place/")
    @guarded
    def place() -> Response:
        lines = cart_lines()
        if not lines:
            return redirect("/checkout/cart/")
        total = sum(line["price"] * line["count"] for line in lines)
        values = customer()["id"], "Pending", TODAY, total
        order = database.run("insert into orders(customer_id, status, created, total) values (?, ?, ?, ?)", *values)
        for line in lines:
            database.run("insert into order_lines values (?, ?, ?, ?)", order, line["id"], line["count"], line["price"])
        database.run("delete from cart")
        return redirect(f"/sales/order/view/order_id/{order}/")

    @app.post("/wishlist/add/<int:product>")
    @guarded
    def wish(product: int) -> Response:
        database.run("insert or ignore into wishes values (?, ?)", customer()["id"], product)
        return redirect("/wishlist/")

    @app.get("/wishlist/")
    @guarded
    def wishes() -> str:
        owner = customer()["id"]
        return page("wishes", products=products("id in (select product_id from wishes where customer_id = ?)", owner))

    @app.route("/customer/account/", methods=["GET", "POST"])
    @guarded
    def account() -> str:
        if request.method == "POST":
            database.run("update customers set address = ? where email = ?", *form("address"), site.user())
            flash("You saved the address.")
        return page("account", customer=customer())

    @app.get("/sales/order/history/")
    @guarded
    def orders() -> str:
        return page(
            "orders",
            orders=database.all("select * from orders where customer_id = ? order by id desc", customer()["id"]),
        )

    @app.get("/sales/order/view/order_id/<int:order>/")
    @guarded
    def order(order: int) -> str:
        found = database.one("select * from orders where id = ? and customer_id = ?", order, customer()["id"])
        return page("order", order=found, lines=order_lines(database, order), notes=order_notes(database, order))

    @app.route("/contact", methods=["GET", "POST"])
    def contact() -> str:
        if request.method == "POST":
            flash("Thanks for contacting us.")
        return page("contact", sent=request.form)

    @app.post("/rest/default/V1/integration/admin/token")
    def token() -> Response:
        return jsonify(TOKEN)

    @app.get("/rest/V1/orders")
    def newest_order() -> Response:
        newest = database.one("select max(id) as id from orders")["id"]
        return jsonify({"items": [{"increment_id": f"{newest:09d}"}]})

    @app.get("/rest/V1/products/<sku>/reviews")
    def product_reviews(sku: str) -> Response:
        found = reviews(database.one("select id from products where sku = ?", sku)["id"])
        ratings = [[{"rating_name": "Rating", "percent": row["percent"]}] for row in found]
        return jsonify(
            [{"nickname": row["nickname"], "ratings": each} for row, each in zip(found, ratings, strict=True)]
        )

    return site


def order_lines(database: Database, order: int) -> list[Row]:
    query = "select p.name, p.sku, l.qty, l.price from order_lines l join products p on p.id = l.product_id"
    return database.all(f"{query} where l.order_id = ? order by p.id", order)


def order_notes(database: Database, order: int) -> list[Row]:
    return database.all("select * from order_notes where order_id = ? order by id desc", order)
