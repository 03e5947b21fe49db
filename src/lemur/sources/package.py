"""Place `package`: files inside wheels from the Python package index, pinned by a hashed requirements file."""

import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from lemur.sources.manifest import Archive, SourceError
from lemur.sources.patterns import matches

# The same platform on every machine, so that a package with compiled parts gives the same wheel and hash.
WHEEL = ["--platform", "manylinux2014_x86_64", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
_LICENCE = re.compile(r"^[^/]+\.dist-info/(?:.*/)?(?:LICEN[CS]E|COPYING|NOTICE)[^/]*$", re.IGNORECASE)


def download(requirements: Path, folder: Path) -> dict[str, Path]:
    """Download the wheels of a hashed requirements file with pip; return them by requirement ("flask==3.1.3").

    pip caches its downloads. Raises `SourceError` if a wheel cannot be downloaded or has the wrong hash.
    """
    if not requirements.is_file():
        raise SourceError(
            f"{requirements} is missing; it pins the manifest's archives, one hashed requirement per line"
        )
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-color"]
    command += ["download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", *WHEEL]
    command += ["--requirement", str(requirements), "--dest", str(folder)]
    result = subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, check=False, encoding="utf-8", errors="replace"
    )
    if result.returncode:
        lines = [
            line for line in result.stderr.splitlines() if line.strip() and not line.startswith("WARNING: Location")
        ]
        raise SourceError(
            f"pip could not download the archives in {requirements} (exit status {result.returncode}):\n"
            + "\n".join(f"  {line}" for line in lines[-12:])
            + "\n  Without a connection: connect once (pip's cache serves later runs), set PIP_INDEX_URL or "
            "PIP_FIND_LINKS to a copy of the packages, or choose another place (`fetch` in params.yaml). "
            "A hash that differs means that the index serves bytes other than the pinned ones: do not use them"
        )
    wheels = sorted(folder.glob("*.whl"))
    return {_requirement(wheel): wheel for wheel in wheels}


def wheel_of(wheels: dict[str, Path], requirement: str) -> Path:
    """The wheel of a requirement. Raises `SourceError` if requirements.txt does not pin it."""
    name, _, version = requirement.partition("==")
    key = f"{canonicalize_name(name)}=={version}"
    if key not in wheels:
        raise SourceError(f"{requirement} is in the manifest, but requirements.txt pins only {sorted(wheels)}")
    return wheels[key]


def members(wheel: Path, archive: Archive) -> list[tuple[str, dict[str, str]]]:
    """Members that match the archive's patterns, sorted, each once, with the pattern's fields. Raises `SourceError` if
    a pattern matches none."""
    fields_by_member: dict[str, dict[str, str]] = {}
    with zipfile.ZipFile(wheel) as file:
        infos = {info.filename: info for info in file.infolist() if not info.is_dir()}
    for pattern in archive.members:
        matched = matches(pattern, infos)
        if not matched:
            raise SourceError(f"no member of {wheel.name} matches {pattern}; see `python -m zipfile -l`")
        fields_by_member.update(matched)
    for name in fields_by_member:
        check_member(wheel, infos[name])
    return sorted(fields_by_member.items())


def licence_texts(wheel: Path) -> list[str]:
    """The licence and notice files of a wheel, sorted; most licences require that they stay with the files."""
    with zipfile.ZipFile(wheel) as file:
        infos = [info for info in file.infolist() if _LICENCE.search(info.filename) and not info.is_dir()]
    for info in infos:
        check_member(wheel, info)
    return sorted(info.filename for info in infos)


def check_member(wheel: Path, info: zipfile.ZipInfo) -> None:
    """Raise `SourceError` if a member would be written outside its folder or is not a plain file."""
    path = PurePosixPath(info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or "\\" in info.filename or kind not in (0, stat.S_IFREG):
        raise SourceError(
            f"{wheel.name}: refused member {info.filename!r}: it is not a plain file below the archive's root"
        )


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack a whole wheel. Raises `SourceError` for members that `check_member` refuses."""
    with zipfile.ZipFile(wheel) as file:
        for info in file.infolist():
            if not info.is_dir():
                check_member(wheel, info)
        file.extractall(folder)


def _requirement(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{canonicalize_name(name)}=={version}"
