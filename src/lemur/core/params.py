"""Base class of the parameters that every stage declares as a pydantic model next to its function."""

from pydantic import BaseModel, ConfigDict


class StageParams(BaseModel):
    """Base of every stage's `Params`: immutable; refuses unknown keys, wrong types and NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
