"""Parameters that benchmarks share."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from lemur.core.params import StageParams
from lemur.inference import backends


class ItemParams(StageParams):
    """Parameters of every benchmark."""

    limit: int | None = Field(description="items taken, a seeded choice; null for all of them", gt=0)
    seed: int = Field(description="seed of the choice of items and of sampling", ge=0)
    context: int | None = Field(
        description="most tokens of prompt and answer together; null for as many as the model allows", gt=1
    )
    tile: int = Field(description="sequences computed together; part of the numerics profile, not only of speed", gt=0)


class AskParams(ItemParams):
    """Parameters of every benchmark that asks with prompts."""

    bos: bool = Field(description="whether a prompt begins with the beginning-of-text token")
    chat: Literal["auto", "chat", "completion"] = Field(
        description="in the model's chat template, with a plain prompt, or `auto`: by whether it has a template"
    )
    backend: backends.Backend = Field(description="what computes the answers (docs/evaluation.md)")


class GenerateParams(AskParams):
    """Parameters of every benchmark whose answers are generated."""

    max_new_tokens: int = Field(description="most tokens of an answer", gt=0)
    stop: list[str] | None = Field(description="strings that end an answer; null for the benchmark's own")

    def stops(self, own: Sequence[str]) -> list[str]:
        """What ends an answer, where `own` are the benchmark's strings."""
        return list(own) if self.stop is None else self.stop


class ProgramParams(GenerateParams):
    """Parameters of every benchmark whose answers are run."""

    samples: int = Field(description="completions of each problem", gt=0)
    k: tuple[int, ...] = Field(description="which pass@k to report; none above `samples`", min_length=1, strict=False)
    temperature: float = Field(description="of sampling; 0 is greedy, which allows one sample", ge=0)
    timeout: int = Field(
        description="processor seconds of a program's first run; the second, alone, gets five times these", gt=0
    )
    memory: int = Field(description="MiB that a program may use", gt=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if max(self.k) > self.samples or min(self.k) < 1:
            raise ValueError(f"k is {self.k} and samples {self.samples}; each k from 1 to samples is allowed")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"{self.samples} greedy samples are all the same; take one, or a temperature above 0")
        return self
