"""Versions of distributions: installed, locked, and pinned by extras."""

import re
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from packaging.utils import canonicalize_name

from lemur.core.files import ROOT


def installed(name: str) -> str | None:
    """The installed version; None if the distribution is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def locked() -> dict[str, str]:
    """Distributions of requirements/core.txt and their versions; other installed ones must not change dvc.yaml."""
    lines = (ROOT / "requirements/core.txt").read_text(encoding="utf-8").splitlines()
    return dict(_parse_pin(line) for line in lines if "==" in line)


@cache
def extras() -> dict[str, str]:
    """Distributions that pyproject.toml's extras pin, and their versions, whether installed or not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [pin for group in project["optional-dependencies"].values() for pin in group if "==" in pin]
    return dict(_parse_pin(pin) for pin in pins)


def _parse_pin(line: str) -> tuple[str, str]:
    name, _, rest = line.partition("==")
    return canonicalize_name(name), re.split(r"[ ;\\]", rest)[0]
