"""Rates of the corpus stages on one machine, as `lemur plan-data --calibrate` measures and keeps them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lemur.core.disk import replace_text
from lemur.core.files import PACKAGE, ROOT
from lemur.core.records import Record, read_json
from lemur.core.source_hash import source_hash
from lemur.core.versions import installed
from lemur.planning.corpus_stages import STAGES, entry

OWN = ROOT / ".lemur" / "corpus_rates.json"
OURS = ROOT / "data" / "paper" / "corpus_rates.json"


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Work(NamedTuple):
    """What goes into a stage: amounts of code and text, both in 10^6 of its unit (`corpus_stages.Amount`), divided into
    jobs."""

    jobs: float
    code: float
    text: float


class Line(_Checked):
    """`start` + `job` x jobs + `code` x amount of code + `text` x amount of text; none is negative."""

    start: float = Field(ge=0)
    job: float = Field(ge=0)
    code: float = Field(ge=0)
    text: float = Field(ge=0)

    def growth(self, work: Work) -> float:
        return self.job * work.jobs + self.code * work.code + self.text * work.text

    def at(self, work: Work) -> float:
        return self.start + self.growth(work)


class StageRates(_Checked):
    """What a stage takes for its `Work`."""

    driver_seconds: Line = Field(description="processor seconds of its first process")
    workers_seconds: Line = Field(description="processor seconds of its workers; `start`: of each of them")
    read_mb: Line = Field(description="read from files, 10^6 bytes")
    written_mb: Line = Field(description="written to files, scratch included, 10^6 bytes")
    disk_mb: Line = Field(description="its outputs, 10^6 bytes")
    scratch_mb: Line = Field(description="most that lies in its scratch folders, 10^6 bytes")
    driver_mb: float = Field(gt=0, description="most memory of its first process in the calibration, 10^6 bytes")
    worker_mb: float = Field(ge=0, description="the same of a worker; 0: it has none")


class Rates(_Checked):
    sample_mb: float = Field(gt=0, description="text in the largest corpus that was measured, 10^6 bytes")
    repeat_seconds: float = Field(ge=0, description="how far the two shortest runs of a stage without jobs are apart")
    hashed_mb_per_second: float = Field(gt=0, description="MD5 of files in memory, one core")
    stages: dict[str, StageRates]
    code: dict[str, str] = Field(description="hash of the code of each stage that was measured")
    packages: dict[str, str | None] = Field(description="versions of the libraries that the stages use")


def fit(works: Sequence[Work], measured: Sequence[float]) -> Line:
    """The line through what was measured on `works`: least squares, no value below zero."""
    from scipy.optimize import nnls

    values, _ = nnls([[1.0, *work] for work in works], measured)
    return Line(start=values[0], job=values[1], code=values[2], text=values[3])


def load(path: Path | None) -> tuple[Path, Rates]:
    """The rates in `path`; None: this checkout's calibration, or without one those that come with the project.

    Raises `SystemExit` if the file is missing or is not what `save` wrote.
    """
    path = path or (OWN if OWN.exists() else OURS)
    remedy = "`lemur plan-data --calibrate` measures this machine"
    try:
        rates = Rates.model_validate(read_json(path))
    except FileNotFoundError:
        raise SystemExit(f"{path}: there is no such file of rates; {remedy}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SystemExit(f"{path}: {place}: {first['msg']}; found {first['input']!r}; {remedy}") from None
    except ValueError as error:
        raise SystemExit(f"{path}: not JSON ({error}); {remedy}") from None
    if missing := {stage.name for stage in STAGES} - rates.stages.keys():
        raise SystemExit(f"{path}: stages: {sorted(missing)} are missing; {remedy}")
    return path, rates


def save(path: Path, rates: Rates) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, rates.model_dump_json(indent=1) + "\n")


def versions() -> Record:
    """What the rates depend on: the hash of each stage's code, and versions of packages, both as dvc.yaml has them."""
    code, packages = {}, set()
    for stage in STAGES:
        declared = entry(stage.name)
        paths = [ROOT / dep for dep in declared["deps"] if PACKAGE in (ROOT / dep).parents]
        files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
        code[stage.name] = source_hash(ROOT, files)
        for params in declared["params"]:
            keys = params.get("environment.yaml", []) if isinstance(params, dict) else []
            packages |= {key.removeprefix("packages.") for key in keys if key.startswith("packages.")}
    return {"code": code, "packages": {name: installed(name) for name in sorted(packages)}}


def outdated(rates: Rates) -> list[str]:
    """What changed since the rates were measured, for people; empty if nothing did."""
    now = versions()
    changed = [name for name in now["code"] if rates.code.get(name) != now["code"][name]]
    lines = [f"the code of {', '.join(changed)}"] if changed else []
    names = sorted(rates.packages.keys() | now["packages"].keys())
    pairs = [(name, rates.packages.get(name), now["packages"].get(name)) for name in names]
    return lines + [f"{name} {before} -> {after}" for name, before, after in pairs if before != after]
