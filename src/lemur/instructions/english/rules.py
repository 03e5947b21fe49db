"""When a conversation counts as English, as params.yaml states it."""

from typing import Literal

from pydantic import Field

from lemur.core.params import StageParams


class Rules(StageParams):
    sources: dict[str, Literal["detect", "label", "none"]] = Field(
        description="rule of each source: detect, label (the source's own language label decides), none; detect "
        "for one that is not named"
    )
    seed: int = Field(ge=0, description="langdetect's seed, the same for every text")
    undetermined: Literal["keep", "drop"] = Field(description="instructions in which langdetect finds nothing to judge")
    foreign_run: int = Field(ge=1, description="consecutive non-English characters that make text foreign")
    unit: Literal["conversation", "sentence"] = Field(description="what such a run removes")
