"""Parameters that all trainings have. Imports nothing heavy: every params.yaml check reads it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from lemur.pipeline.params import StageParams

Dtype = Literal["float32", "bfloat16"]


class OptimizerParams(StageParams):
    """AdamW (Loshchilov and Hutter, 2019), its clipping and its schedule."""

    peak_learning_rate: float = Field(gt=0, description="learning rate at the end of the warm-up")
    final_ratio: float = Field(ge=0, le=1, description="learning rate at the last step, as a share of the peak")
    schedule: Literal["cosine", "linear", "constant"] = Field(description="shape of the fall after the warm-up")
    warmup_steps: int = Field(ge=0, description="steps of the linear rise; they count among the training's steps")
    b1: float = Field(ge=0, lt=1, description="decay of the mean of gradients")
    b2: float = Field(ge=0, lt=1, description="decay of the mean of squared gradients")
    epsilon: float = Field(gt=0, description="added to the root of the mean of squares")
    weight_decay: float = Field(ge=0, description="decoupled, times the learning rate, on all parameters as in EasyLM")
    clip_norm: float = Field(gt=0, description="gradients of a larger global norm are scaled down to it")


class TrainingParams(StageParams):
    """Batches, numbers and optimizer of a training."""

    batch_size: int = Field(gt=0, description="sequences a step")
    microbatches: int = Field(gt=0, description="parts a batch is computed in, one after the other, to save memory")
    seed: int = Field(ge=0, description="of the order of the data, and of the weights where they are drawn")
    loss_normalisation: Literal["tokens", "sequences"] = Field(
        description="mean over all target tokens of a batch, or of the sequences' means as in EasyLM"
    )
    compute_dtype: Dtype = Field(description="of matrix products; weights, optimizer and loss are float32")
    export_dtype: Dtype = Field(description="of model.safetensors")
    remat: Literal["none", "dots", "full"] = Field(
        description="activations that are computed again in the backward pass: none, all but matrix products, all"
    )
    optimizer: OptimizerParams

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.batch_size % self.microbatches:
            raise ValueError(f"batch_size ({self.batch_size}) is not a multiple of microbatches ({self.microbatches})")
        return self


class EvaluatedParams(TrainingParams):
    """A training with a number of steps, measured on held-out documents."""

    steps: int = Field(ge=0, description="optimizer steps; 0 trains nothing")
    eval_every: int = Field(gt=0, description="steps between measurements on held-out documents")
    heldout_bytes: int = Field(gt=0, description="UTF-8 bytes of held-out code, and of text, that are measured")
