"""The environment of set-up, jobs and local requests: the user's, without variables that would change or break them.

environment_variables.txt lists these variables; the Makefile reads it too.
"""

import locale
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from lemur.core.files import ROOT

LIST = Path(__file__).with_name("environment_variables.txt")
HOME = ROOT / ".lemur" / "home"


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the list applied, this checkout's code as PYTHONPATH, and a writable folder for caches."""
    rules = _rules()
    clean = {
        name: value
        for name, value in environment.items()
        if _listed(name, rules["keep"]) or not _listed(name, rules["drop"])
    }
    for entry in rules["set"]:
        name, value = entry.split("=", 1)
        clean[name] = value
    # Tools differ in whether they read no_proxy or NO_PROXY first, so both get what either has.
    merged = [host for name in ("no_proxy", "NO_PROXY") for host in environment.get(name, "").split(",") if host]
    for entry in rules["add"]:
        name, values = entry.split("=", 1)
        clean[name] = ",".join(dict.fromkeys([*merged, *values.split(",")]))
    clean["PYTHONPATH"] = str(ROOT / "src")
    return clean | _home(clean)


def stage_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environment` that a stage or the list decides, not the machine: those that the list drops or
    sets, and LEMUR_*. All processes of a stage need the same ones. None that may hold a secret: servers' keys,
    addresses of package indexes."""
    rules = _rules()
    decided = [*rules["drop"], *(entry.split("=", 1)[0] for entry in rules["set"]), "LEMUR_*", "TQDM_*"]
    secret = ["*_KEY", "PIP_*", "UV_*"]
    return {name: value for name, value in environment.items() if _listed(name, decided) and not _listed(name, secret)}


def enter() -> None:
    """Apply `cleaned` to this process and everything it starts. Restarts Python if it has already read something
    foreign: modules from another PYTHONPATH, options, an encoding other than UTF-8."""
    before, after = dict(os.environ), cleaned(os.environ)
    os.environ.clear()
    os.environ.update(after)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    read = {name for name in changed if name.startswith("PYTHON") and name != "PYTHONSTARTUP"}
    if not _foreign(before.get("PYTHONPATH", "")):
        read.discard("PYTHONPATH")
    if sys.flags.utf8_mode or locale.getpreferredencoding(False).upper() in ("UTF-8", "UTF8"):
        read.discard("PYTHONUTF8")
    if read:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], after)


def _rules() -> dict[str, list[str]]:
    rules: dict[str, list[str]] = {"drop": [], "keep": [], "set": [], "add": []}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            verb, entry = line.split(maxsplit=1)
            rules[verb].append(entry)
    return rules


def _listed(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _foreign(python_path: str) -> bool:
    """Whether a PYTHONPATH contains more than this checkout's code."""
    return any(Path(entry).resolve() != ROOT / "src" for entry in python_path.split(os.pathsep) if entry)


def _home(environment: Mapping[str, str]) -> dict[str, str]:
    """Replacements for a home that is missing or read-only, where caches could not be written."""
    home = Path(environment.get("HOME") or os.devnull)
    with suppress(OSError):
        (home / ".cache").mkdir(exist_ok=True)
        if os.access(home / ".cache", os.W_OK):
            return {}
    (HOME / ".cache").mkdir(parents=True, exist_ok=True)
    missing = {} if home.is_dir() else {"HOME": str(HOME)}
    return {"XDG_CACHE_HOME": str(HOME / ".cache"), "MPLCONFIGDIR": str(HOME / ".cache")} | missing
