"""Parameters that all trainings share. Imports nothing heavy, because every check of params.yaml imports it."""

from typing import Literal, Protocol, Self

from pydantic import Field, model_validator

from lemur.core.params import StageParams

Dtype = Literal["float32", "bfloat16"]


class OptimizerParams(StageParams):
    """AdamW (Loshchilov and Hutter, 2019), its clipping and its schedule."""

    peak_learning_rate: float = Field(gt=0, description="learning rate at the end of the warm-up")
    final_ratio: float = Field(ge=0, le=1, description="learning rate at the last step, as a share of the peak")
    schedule: Literal["cosine", "linear", "constant"] = Field(description="shape of the decay after the warm-up")
    warmup_steps: int = Field(ge=0, description="steps of the linear warm-up, which are part of the training's steps")
    b1: float = Field(ge=0, lt=1, description="decay rate of the mean of gradients")
    b2: float = Field(ge=0, lt=1, description="decay rate of the mean of squared gradients")
    epsilon: float = Field(gt=0, description="added to the square root of the mean square")
    weight_decay: float = Field(ge=0, description="decoupled, times the learning rate, for all parameters as in EasyLM")
    clip_norm: float = Field(gt=0, description="scale gradients of a larger global norm down to this norm")


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
    """What to do about a step with an abnormal loss or gradient; the report counts it in any case."""

    not_finite: Literal["stop", "skip"] = Field(
        description="on a loss or norm that is NaN or infinite: stop without a model, or skip the step's update"
    )
    spike: Literal["count", "stop", "skip"] = Field(
        description="on a spike of the loss: only count it, stop, or skip the update"
    )
    spike_z: float = Field(
        gt=0, description="a loss this many standard deviations above the mean of the steps before it is a spike"
    )
    window: int = Field(ge=2, description="number of steps before it that give mean and standard deviation")
    most_skipped: int = Field(ge=1, description="stop the training after this many skipped steps in a row")


class TrainingParams(StageParams):
    """Batches, dtypes, optimizer, mesh and measurements of a training."""

    batch_size: int = Field(gt=0, description="sequences per step")
    microbatches: int = Field(
        gt=0, description="compute a batch in this many parts, one after the other, to save memory"
    )
    seed: int = Field(ge=0, description="seed of the data's order, and of random initial weights")
    loss_normalisation: Literal["tokens", "sequences"] = Field(
        description="mean over all target tokens of a batch, or over the sequences' means as in EasyLM"
    )
    attend_across_documents: bool = Field(
        description="treat a sequence's documents as one text in attention, positions and targets, or each on its own"
    )
    compute_dtype: Dtype = Field(description="dtype of matrix products; weights, optimizer and loss are float32")
    export_dtype: Dtype = Field(description="dtype of model.safetensors")
    remat: Literal["none", "dots", "full"] = Field(
        description="activations to recompute in the backward pass: none, all except matrix products, all"
    )
    optimizer: OptimizerParams
    eval_every: int = Field(gt=0, description="steps between measurements on held-out documents")
    heldout_bytes: int = Field(gt=0, description="UTF-8 bytes of held-out code, and as many of text, to measure")
    mesh: MeshParams
    anomaly: AnomalyParams

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.batch_size % self.microbatches:
            raise ValueError(f"batch_size ({self.batch_size}) is not a multiple of microbatches ({self.microbatches})")
        rows, mesh = self.batch_size // self.microbatches, self.mesh
        sizes = {"rows of a microbatch (batch_size / microbatches)": rows}
        if problems := _not_dividing("data * fsdp", mesh.data * mesh.fsdp, sizes):
            raise ValueError("; ".join(problems))
        return self


class SteppedParams(TrainingParams):
    """A training for a fixed number of steps."""

    steps: int = Field(ge=0, description="optimizer steps; 0 trains nothing")


class Shape(Protocol):
    """The sizes of a model that a mesh splits."""

    @property
    def hidden_size(self) -> int: ...
    @property
    def intermediate_size(self) -> int: ...
    @property
    def num_attention_heads(self) -> int: ...
    @property
    def num_key_value_heads(self) -> int: ...


def mesh_problems(mesh: MeshParams, shape: Shape) -> list[str]:
    """Each axis of a mesh that does not divide a size of the model that it splits, with the numbers that do."""
    names = ("num_attention_heads", "num_key_value_heads", "intermediate_size")
    return [
        *_not_dividing("fsdp * sequence", mesh.fsdp * mesh.sequence, {"hidden_size": shape.hidden_size}),
        *_not_dividing("tensor", mesh.tensor, {name: getattr(shape, name) for name in names}),
    ]


def _not_dividing(axis: str, size: int, values: dict[str, int]) -> list[str]:
    return [
        f"mesh: {axis} is {size}, which does not divide {name} ({value}); "
        f"{[n for n in range(1, min(value, 1024) + 1) if value % n == 0]} do"
        for name, value in values.items()
        if value % size
    ]
