"""Secrets, found by the detectors of detect-secrets, and personal data."""

import re
from collections import Counter
from importlib import import_module
from ipaddress import AddressValueError, IPv4Address
from pkgutil import iter_modules

import detect_secrets.plugins
from detect_secrets.plugins.base import RegexBasedDetector

_EMAIL = re.compile(r"(?<![\w.+/-])[\w.+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}(?![\w@])")
_IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")


class Secrets:
    """Names as detect-secrets has them, `GitHubTokenDetector`. The keyword and entropy detectors are not offered:
    they report ordinary code."""

    def __init__(self, names: list[str]) -> None:
        known = _detectors()
        if unknown := set(names) - set(known):
            raise ValueError(
                f"params.yaml: clean_corpus.secret_detectors names {sorted(unknown)}; {sorted(known)} are allowed"
            )
        self._detectors = [known[name]() for name in names]

    def find(self, text: str) -> str | None:
        """The kind of the first secret in `text`. The whole text at once: line by line is 40 times slower."""
        for detector in self._detectors:
            if next(iter(detector.analyze_string(text)), None) is not None:
                return str(detector.secret_type)
        return None


def redact(text: str) -> tuple[str, Counter[str]]:
    """Replace e-mail addresses by <EMAIL> and public IPv4 addresses by <IP_ADDRESS>; also how many of each."""
    counts: Counter[str] = Counter()
    if "@" in text:
        text, counts["email"] = _EMAIL.subn("<EMAIL>", text)

    def address(match: re.Match[str]) -> str:
        try:
            public = IPv4Address(match[0]).is_global
        except AddressValueError:
            public = False
        counts["ip_address"] += public
        return "<IP_ADDRESS>" if public else match[0]

    return _IP.sub(address, text), +counts


def _detectors() -> dict[str, type[RegexBasedDetector]]:
    modules = [
        import_module(f"detect_secrets.plugins.{module.name}")
        for module in iter_modules(detect_secrets.plugins.__path__)
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, RegexBasedDetector) and value.__module__ == module.__name__
    }
