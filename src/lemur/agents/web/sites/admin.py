"""The shop's admin: products, orders, reviews, customers and a report, under /admin."""

from flask import flash, redirect, request
from werkzeug.wrappers import Response

from lemur.agents.web.sites.shop import order_lines, order_notes
from lemur.agents.web.sites.site import TODAY, Database, Site, form

ORDERS = "from orders o join customers c on c.id = o.customer_id"


def make(database: Database, urls: dict[str, str]) -> Site:
    site = Site("admin", "Lighthouse Goods Admin", database, urls)
    app, page = site.app, site.page
    guarded = site.signed_in("/admin/")
    site.sign_in("/admin/", "sign_in", after="/admin/dashboard/")

    @app.get("/admin/dashboard/")
    @guarded
    def dashboard() -> str:
        best = database.all(
            "select p.name, sum(l.qty) as sold from order_lines l join products p on p.id = l.product_id "
            "group by p.id order by sold desc, p.id limit 5"
        )
        return page(
            "dashboard",
            best=best,
            sales=database.one("select sum(total) as n from orders where status != 'Canceled'")["n"],
        )

    @app.get("/admin/catalog/product/")
    @guarded
    def products() -> str:
        words = f"%{request.args.get('search', '')}%"
        return page("products", products=database.all("select * from products where name like ? order by id", words))

    @app.route("/admin/catalog/product/edit/id/<int:product>/", methods=["GET", "POST"])
    @guarded
    def product(product: int) -> str:
        if request.method == "POST":
            name, price, count = form("product[name]", "product[price]", "product[quantity_and_stock_status][qty]")
            values = name, float(price), int(count), "product[status]" in request.form, product
            database.run("update products set name = ?, price = ?, qty = ?, enabled = ? where id = ?", *values)
            flash("You saved the product.")
        return page("product", product=database.one("select * from products where id = ?", product))

    @app.get("/admin/sales/order/")
    @guarded
    def orders() -> str:
        status = request.args.get("status", "%")
        query = f"select o.*, c.name {ORDERS} where status like ? order by o.id"
        return page("orders", orders=database.all(query, status), statuses=["Pending", "Complete", "Canceled"])

    @app.get("/admin/sales/order/view/order_id/<int:order>/")
    @guarded
    def order(order: int) -> str:
        query = f"select o.*, c.name, c.email, c.address {ORDERS} where o.id = ?"
        lines, notes = order_lines(database, order), order_notes(database, order)
        return page("order", order=database.one(query, order), lines=lines, notes=notes)

    @app.post("/admin/sales/order/<action>/order_id/<int:order>/")
    @guarded
    def change(action: str, order: int) -> Response:
        if action == "cancel":
            database.run("update orders set status = 'Canceled' where id = ?", order)
            flash("You canceled the order.")
        else:
            database.run(
                "insert into order_notes(order_id, text, created) values (?, ?, ?)", order, *form("comment"), TODAY
            )
        return redirect(f"/admin/sales/order/view/order_id/{order}/")

    @app.get("/admin/review/product/")
    @guarded
    def reviews() -> str:
        query = "select r.*, p.name from reviews r join products p on p.id = r.product_id order by r.id"
        return page("reviews", reviews=database.all(query))

    @app.post("/admin/review/product/delete/id/<int:review>/")
    @guarded
    def delete(review: int) -> Response:
        database.run("delete from reviews where id = ?", review)
        flash("The review has been deleted.")
        return redirect("/admin/review/product/")

    @app.get("/admin/customer/index/")
    @guarded
    def customers() -> str:
        return page("customers", customers=database.all("select * from customers order by id"))

    return site
