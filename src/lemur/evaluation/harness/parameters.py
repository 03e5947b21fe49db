"""Parameters that benchmarks share."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from lemur.core.params import StageParams
from lemur.inference import backends
from lemur.inference.interface import Model


class ItemParams(StageParams):
    """Parameters of every benchmark."""

    limit: int | None = Field(description="number of items, a seeded choice; null for all", gt=0)
    seed: int = Field(description="seed of the choice of items and of sampling", ge=0)
    context: int | None = Field(
        description="maximum tokens of prompt plus answer; null for as many as the model allows", gt=1
    )
    tile: int = Field(description="sequences computed together; it affects numerics as well as speed", gt=0)


class AskParams(ItemParams):
    """Parameters of every benchmark with prompts."""

    bos: bool = Field(description="whether a prompt begins with the beginning-of-text token")
    chat: Literal["auto", "chat", "completion"] = Field(
        description="use the model's chat template, a plain prompt, or `auto`: the template if the model has one"
    )
    backend: backends.Backend = Field(description="what computes the answers (docs/evaluation.md)")

    def in_chat(self, model: Model) -> bool:
        """Whether `model` is asked through its chat template."""
        return model.chat if self.chat == "auto" else self.chat == "chat"


class GenerateParams(AskParams):
    """Parameters of every benchmark whose answers are generated."""

    max_new_tokens: int = Field(description="maximum tokens of an answer", gt=0)
    stop: list[str] | None = Field(description="strings that end an answer; null for the benchmark's own")

    def stops(self, default: Sequence[str]) -> list[str]:
        """The stop strings; `default` are the benchmark's own."""
        return list(default) if self.stop is None else self.stop


class ProgramParams(GenerateParams):
    """Parameters of every benchmark that runs its answers."""

    samples: int = Field(description="completions per problem", gt=0)
    k: tuple[int, ...] = Field(description="which pass@k to report; each at most `samples`", min_length=1, strict=False)
    temperature: float = Field(description="sampling temperature; 0 is greedy and allows only one sample", ge=0)
    timeout: int = Field(
        description="CPU seconds of a program's first run; a second run, alone, gets five times as many", gt=0
    )
    memory: int = Field(description="MiB that a program may use", gt=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if max(self.k) > self.samples or min(self.k) < 1:
            raise ValueError(f"k is {self.k} and samples {self.samples}; each k must be from 1 to samples")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"{self.samples} greedy samples would be equal; set samples to 1 or temperature above 0")
        return self
