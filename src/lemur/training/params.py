"""Parameters that all trainings have. Imports nothing heavy: every params.yaml check reads it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from lemur.core.params import StageParams

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


class MeshParams(StageParams):
    """Devices along each axis of the mesh (`lemur.model.sharding.AXES`)."""

    data: int = Field(gt=0, description="copies of the weights, each with its part of a batch")
    fsdp: int = Field(gt=0, description="parts of the weights and of a batch")
    sequence: int = Field(gt=0, description="parts of each sequence, and of the weights")
    tensor: int = Field(gt=0, description="parts of heads and MLP width; divides num_key_value_heads")

    @property
    def devices(self) -> int:
        return self.data * self.fsdp * self.sequence * self.tensor

    def sizes(self) -> dict[str, int]:
        return {"data": self.data, "fsdp": self.fsdp, "sequence": self.sequence, "tensor": self.tensor}


class AnomalyParams(StageParams):
    """What is done about a step whose loss or gradient is not to be trusted; the report counts it in any case."""

    not_finite: Literal["stop", "skip"] = Field(
        description="a loss or norm that is NaN or infinite: write no model, or leave the weights as they are and go on"
    )
    spike: Literal["count", "stop", "skip"] = Field(description="a spike of the loss: only count it, stop, or skip")
    spike_z: float = Field(
        gt=0, description="a spike is so many standard deviations above the mean of the steps before it"
    )
    window: int = Field(ge=2, description="steps before, of which mean and standard deviation are taken")
    most_skipped: int = Field(ge=1, description="skipped steps in a row after which the training stops after all")


class TrainingParams(StageParams):
    """Batches, numbers and optimizer of a training."""

    batch_size: int = Field(gt=0, description="sequences a step")
    microbatches: int = Field(gt=0, description="parts a batch is computed in, one after the other, to save memory")
    seed: int = Field(ge=0, description="of the order of the data, and of the weights where they are drawn")
    loss_normalisation: Literal["tokens", "sequences"] = Field(
        description="mean over all target tokens of a batch, or of the sequences' means as in EasyLM"
    )
    attend_across_documents: bool = Field(
        description="the documents of a sequence as one text, in attention, positions and targets, or each for itself"
    )
    compute_dtype: Dtype = Field(description="of matrix products; weights, optimizer and loss are float32")
    export_dtype: Dtype = Field(description="of model.safetensors")
    remat: Literal["none", "dots", "full"] = Field(
        description="activations that are computed again in the backward pass: none, all but matrix products, all"
    )
    optimizer: OptimizerParams
    eval_every: int = Field(gt=0, description="steps between measurements on held-out documents")
    heldout_bytes: int = Field(gt=0, description="UTF-8 bytes of held-out code, and of text, that are measured")
    mesh: MeshParams
    anomaly: AnomalyParams

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.batch_size % self.microbatches:
            raise ValueError(f"batch_size ({self.batch_size}) is not a multiple of microbatches ({self.microbatches})")
        return self


class SteppedParams(TrainingParams):
    """A training with a number of steps."""

    steps: int = Field(ge=0, description="optimizer steps; 0 trains nothing")
