"""Signing in to WebArena's sites with the benchmark's own accounts."""

from playwright.sync_api import Page

ACCOUNTS = {
    "shopping": ("emma.lopez@gmail.com", "Password.123"),
    "shopping_admin": ("admin", "admin1234"),
    "reddit": ("MarvelsGrantMan136", "test1234"),
    "gitlab": ("byteblaze", "hello1234"),
}
"""The accounts that every copy of WebArena's sites has (browser_env/env_config.py)."""
_PATHS = {
    "shopping": "/customer/account/login/",
    "shopping_admin": "",
    "reddit": "/login",
    "gitlab": "/users/sign_in",
}


def sign_in(page: Page, site: str, url: str) -> None:
    """Sign in to `site` at `url`. Raises `KeyError` for a site without accounts."""
    name, password = ACCOUNTS[site]
    page.goto(url + _PATHS[site])
    if site == "shopping":
        fields = page.get_by_label("Email", exact=True), page.get_by_label("Password", exact=True)
        button = page.get_by_role("button", name="Sign In")
    elif site == "shopping_admin":
        fields = page.get_by_placeholder("user name"), page.get_by_placeholder("password")
        button = page.get_by_role("button", name="Sign in")
    elif site == "reddit":
        fields = page.get_by_label("Username"), page.get_by_label("Password")
        button = page.get_by_role("button", name="Log in")
    else:
        fields = page.get_by_test_id("username-field"), page.get_by_test_id("password-field")
        button = page.get_by_test_id("sign-in-button")
    for field, text in zip(fields, (name, password), strict=True):
        field.fill(text)
    button.click()
