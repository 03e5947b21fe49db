"""What a document of the corpus must be like, as params.yaml states it."""

from typing import Literal

from pydantic import Field

from lemur.core.params import StageParams


class GroupRules(StageParams):
    min_chars: int = Field(ge=1, description="shortest document, characters")
    max_chars: int = Field(ge=1, description="longest document, characters")
    max_line_chars: int | None = Field(ge=1, description="longest line, characters; null = any")
    max_mean_line_chars: int | None = Field(
        ge=1, description="mean line, characters: minified code is above; null = any"
    )
    min_alphanumeric_share: float = Field(ge=0, le=1, description="letters and digits among all characters")
    max_broken_share: float = Field(ge=0, le=1, description="control and replacement characters among all")
    generated_markers: list[str] = Field(description="notices of generated files, in the first 10 lines, any case")


class Rules(StageParams):
    licences: list[str] | None = Field(description="licences of code that are permissive (SPDX); null = any")
    rules: dict[Literal["code", "text"], GroupRules] = Field(description="rules of code and of text")
    secret_detectors: list[str] = Field(description="detectors of detect-secrets; what they find drops the document")
    personal_data: Literal["redact", "keep"] = Field(description="e-mail addresses and public IPv4 addresses")
