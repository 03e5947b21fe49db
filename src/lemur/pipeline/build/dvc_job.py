"""`dvc` as a job of the Snakefile runs it (`python -m lemur.pipeline.build.dvc_job ARGUMENT...`): a faster dvc.lock.

Faster: for every stage DVC parses and writes all of dvc.lock in pure Python and holds its lock meanwhile: 0.9 of 2.0 s
at 77 stages, more than all else that a small stage takes. Here only the stage's own entry is written.

At once: DVC takes 0.4 s to write it, and a build killed meanwhile leaves half of it (`locks.mend_record`).

With plain `dvc` everything works the same, but for these, and gives the same bytes (tests/exact/test_front_ends.py).
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc import dvcfile
from dvc.cli import main
from dvc.utils.serialize import dumps_yaml

from lemur.core.disk import replace_text

EMPTY = "schema: '2.0'\nstages:\n"


@contextmanager
def one_entry(path: str, fs: Any = None) -> Iterator[dict[str, Any]]:
    """In place of DVC's `modify_yaml`: an empty dvc.lock to put stages into, which replace those in the file."""
    changes: dict[str, Any] = {"schema": "2.0", "stages": {}}
    yield changes
    file = Path(path)
    text = file.read_text(encoding="utf-8") if file.exists() else EMPTY
    for name, entry in changes["stages"].items():
        written = dumps_yaml({"stages": {name: entry}}).removeprefix("stages:\n")
        own = re.search(rf"^  {re.escape(name)}:\n(?:(?:   .*)?\n)*", text, re.MULTILINE)
        start, end = own.span() if own else (len(text), len(text))
        text = text[:start] + written + text[end:]
    replace_text(file, text)


if __name__ == "__main__":
    dvcfile.modify_yaml = one_entry
    sys.exit(main())
