"""What task files ask the shop's programming interface (Magento's REST, which the project's own shop has too)."""

import json
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from lemur.agents.web.inside.login import ACCOUNTS

TIMEOUT_S = 30


def latest_order_url(shop: str) -> str:
    """The page of the newest order."""
    order = "searchCriteria[sortOrders][0]"
    query = {f"{order}[field]": "created_at", f"{order}[direction]": "DESC", "searchCriteria[pageSize]": "1"}
    number = int(_get(shop, f"/rest/V1/orders?{urlencode(query)}")["items"][0]["increment_id"])
    return f"{shop}/sales/order/view/order_id/{number}/"


def latest_review(shop: str, sku: str) -> dict[str, str]:
    """`author` and `rating` (percent) of a product's newest review; empty texts if it has none."""
    reviews = _get(shop, f"/rest/V1/products/{sku}/reviews")
    if not reviews:
        return {"author": "", "rating": ""}
    return {"author": str(reviews[-1]["nickname"]), "rating": str(reviews[-1]["ratings"][0]["percent"])}


def _get(shop: str, path: str) -> Any:
    name, password = ACCOUNTS["shopping_admin"]
    account = json.dumps({"username": name, "password": password}).encode()
    kind = {"Content-Type": "application/json"}
    token = _read(Request(f"{shop}/rest/default/V1/integration/admin/token", account, kind))
    return _read(Request(f"{shop}{path}", headers={**kind, "Authorization": f"Bearer {token}"}))


def _read(request: Request) -> Any:
    with urlopen(request, timeout=TIMEOUT_S) as answer:
        return json.load(answer)
