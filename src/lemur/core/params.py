"""The base of every stage's parameters, which it declares as a pydantic model next to its function."""

from pydantic import BaseModel, ConfigDict


class StageParams(BaseModel):
    """Base of every stage's `Params`: unknown keys, other types and NaN are refused, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
