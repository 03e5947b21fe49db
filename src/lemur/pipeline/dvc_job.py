"""`dvc` as a job of the Snakefile runs it, `python -m lemur.pipeline.dvc_job ARGUMENT...`: writes dvc.lock better.

Faster: for every stage DVC reads dvc.lock a second time, with a parser in pure Python that keeps comments, and holds
its lock meanwhile: 0.6 of 1.7 s at 66 stages, more than all else that a small stage takes. dvc.lock has no comments.
The plain parser gives the same bytes (tests/exact/test_front_ends.py).

At once: DVC takes 0.4 s to write it, and a build killed meanwhile leaves half of it (`locks.mend_record`).

With plain `dvc` everything works the same, but for these.
"""

import sys
from pathlib import Path
from typing import Any

from dvc.cli import main
from dvc.utils.serialize import _common, _yaml


def _dump_at_once(path: Any, data: Any, dumper: Any, fs: Any = None, **arguments: Any) -> None:
    partial = Path(path).with_name(f".{Path(path).name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        dumper(data, file, **arguments)
    partial.replace(path)


_yaml.parse_yaml_for_update = _yaml.parse_yaml
_common._dump_data = _yaml._dump_data = _dump_at_once

if __name__ == "__main__":
    sys.exit(main())
