"""A sample corpus of real code and text: the sources and documentation of the installed Python packages.

Code: files of 0.5 to 16 kB, as The Stack's are (mean 5 kB). Text: their longer docstrings and the packages'
descriptions. Both in the order of a hash of their paths, so a smaller sample is the beginning of a larger one.
"""

import hashlib
import re
import sysconfig
from collections.abc import Iterator
from contextlib import redirect_stderr
from inspect import cleandoc
from io import StringIO
from pathlib import Path

from lemur.core.files import ROOT
from lemur.core.records import Record, write_json

LANGUAGES = {".py": "Python", ".js": "JavaScript", ".c": "C", ".h": "C", ".cpp": "C++", ".cc": "C++", ".pyx": "Cython"}
_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)
_PROSE_CHARS = 400  # shortest docstring that is taken


def write_sample(
    raw: Path, code: float, text: float, file_mb: float, corpus: list[str], benchmarks: list[str]
) -> dict[str, float]:
    """Write `raw/<source>` for each source as the stage `fetch` does: code to `stack`, text to `refinedweb`, nothing to
    the others of `corpus`; of `benchmarks` the bundled items.

    Args:
        code, text: megabytes of UTF-8 text.
        file_mb: megabytes of text in a file, at least.

    Returns what was written, {"jobs": files, "code": megabytes, "text": megabytes}. Raises `ValueError` if the
    packages have less.
    """
    from lemur.sources.fetch import Params, fetch
    from lemur.sources.manifest import read

    paths = _package_files()
    wanted = {"stack": _programs(paths), "refinedweb": _texts(paths)}
    files, sizes = {}, {}
    for name in corpus:
        megabytes = {"stack": code, "refinedweb": text}.get(name, 0.0)
        records = wanted[name] if name in wanted else iter(())
        files[name], sizes[name] = _write_source(raw / name, records, megabytes, file_mb)
    with redirect_stderr(StringIO()):  # progress of each source
        for name in benchmarks:
            folder = ROOT / "data/sources" / name
            place = "bundled" if "bundled" in read(folder).places else "none"
            fetch(Params(place=place), folder, files=raw / name)  # type: ignore[arg-type]
    return {"jobs": sum(files.values()), "code": sizes["stack"], "text": sizes["refinedweb"]}


def _package_files() -> list[Path]:
    packages = Path(sysconfig.get_paths()["purelib"])
    files = [path for path in packages.rglob("*") if path.suffix in LANGUAGES or path.name == "METADATA"]
    return sorted(files, key=lambda path: hashlib.sha256(str(path.relative_to(packages)).encode()).digest())


def _programs(paths: list[Path]) -> Iterator[tuple[str, Record]]:
    for path in paths:
        if path.suffix in LANGUAGES and 500 <= path.stat().st_size <= 16_000 and (content := _content(path)):
            yield LANGUAGES[path.suffix], {"content": content, "max_stars_repo_licenses": ["MIT"]}


def _texts(paths: list[Path]) -> Iterator[tuple[str, Record]]:
    for path in paths:
        if path.name == "METADATA":
            texts = [(_content(path) or "").partition("\n\n")[2]]
        elif path.suffix == ".py":
            texts = _DOCSTRING.findall(_content(path) or "")
        else:
            texts = []
        for text in texts:
            if len(text) >= _PROSE_CHARS:
                yield "text", {"text": cleandoc(text)}


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def _write_source(
    folder: Path, records: Iterator[tuple[str, Record]], megabytes: float, file_mb: float
) -> tuple[int, float]:
    """Parquet files of one language (or of text) each, and their list. Returns their number, and the megabytes of text
    in them."""
    pending: dict[str, list[Record]] = {}
    sizes: dict[str, int] = {}
    rows: list[Record] = []
    written = 0
    while written < 1e6 * megabytes:
        if (pair := next(records, None)) is None:
            raise ValueError(f"the installed packages have only {written / 1e6:.0f} of {megabytes:.0f} MB")
        language, record = pair
        size = len(record["text" if language == "text" else "content"].encode())
        pending.setdefault(language, []).append(record)
        sizes[language] = sizes.get(language, 0) + size
        written += size
        if sizes[language] >= 1e6 * file_mb:
            rows.append(_write_file(folder, len(rows), language, pending.pop(language)))
            del sizes[language]
    rows += [_write_file(folder, len(rows) + number, *left) for number, left in enumerate(pending.items())]
    head = {"name": folder.name, "title": folder.name, "place": "bundled", "revision": "", "licence": "MIT"}
    write_json(folder / "source.json", {**head, "files": rows})
    return len(rows), written / 1e6


def _write_file(folder: Path, number: int, language: str, records: list[Record]) -> Record:
    import pyarrow
    from pyarrow import parquet

    path = folder / "files" / f"{number:04d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(records), path)
    schema, meta = ("text_jsonl", {}) if language == "text" else ("stack", {"language": language})
    about = {"path": path.name, "schema": schema, "licence": "MIT", "meta": meta}
    return {**about, "sha256": "", "bytes": path.stat().st_size}
