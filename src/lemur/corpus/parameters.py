"""The rules for the corpus's documents, as params.yaml sets them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lemur.core.params import StageParams
from lemur.corpus.sources import Source, of_every_source


class GroupRules(StageParams):
    min_chars: int = Field(ge=1, description="shortest document, characters")
    max_chars: int = Field(ge=1, description="longest document, characters")
    max_line_chars: int | None = Field(ge=1, description="longest line, characters; null = any")
    max_mean_line_chars: int | None = Field(
        ge=1, description="longest mean line, characters, which minified code exceeds; null = any"
    )
    min_alphanumeric_share: float = Field(
        ge=0, le=1, description="lowest share of letters and digits among the characters"
    )
    max_broken_share: float = Field(ge=0, le=1, description="highest share of control and replacement characters")
    generated_markers: list[str] = Field(
        description="drop files with one of these in their first 10 lines, in any case"
    )


class Rules(StageParams):
    licences: list[str] | None = Field(description="permissive licences of code (SPDX ids); null = any")
    rules: dict[Literal["code", "text"], GroupRules] = Field(description="rules for code and for text")
    secret_detectors: list[str] = Field(
        description="drop documents in which one of these detectors of detect-secrets finds something"
    )
    personal_data: Literal["redact", "keep"] = Field(
        description="what to do with e-mail addresses and public IPv4 addresses"
    )


class Reading(Rules):
    """What decides the documents that are read, besides the rules."""

    max_bytes: Annotated[dict[Source, int | None], AfterValidator(of_every_source)] = Field(
        description="UTF-8 bytes to take from each source; documents are chosen by hash, and each worker holds so many "
        "bytes in memory; null = all"
    )
    seed: int = Field(ge=0, description="seed of that choice")
    split_chars: dict[Source, int] = Field(description="split this source's documents into parts, between paragraphs")
