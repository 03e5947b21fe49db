"""The parameters that decide whether a conversation counts as English."""

from typing import Literal

from pydantic import Field

from lemur.core.params import StageParams


class Rules(StageParams):
    sources: dict[str, Literal["detect", "label", "none"]] = Field(
        description="rule for each source: detect (the default), label (its own label decides) or none"
    )
    seed: int = Field(ge=0, description="langdetect's seed, the same for every text")
    undetermined: Literal["keep", "drop"] = Field(description="instructions for which langdetect has no verdict")
    foreign_run: int = Field(ge=1, description="number of consecutive non-English characters that make text foreign")
    unit: Literal["conversation", "sentence"] = Field(description="what to remove because of such a run")
