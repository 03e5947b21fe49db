"""Which meshes are worth compiling: every layout of a machine, by an estimate of what a chip holds and sends.

The estimate only orders and prunes; what fits is for the compiler to say (`lemur.planning.plan`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.model.config import LlamaConfig
from lemur.training.flops import matrix_weights


@dataclass(frozen=True)
class Layout:
    """data * fsdp * sequence * tensor chips, a batch in `microbatches` parts; bytes a chip, by the estimate."""

    data: int
    fsdp: int
    sequence: int
    tensor: int
    microbatches: int
    held: float
    sent: float

    @property
    def mesh(self) -> tuple[int, int, int, int]:
        return self.data, self.fsdp, self.sequence, self.tensor


def layouts(config: LlamaConfig, *, chips: int, batch: int, length: int, block: int = 128) -> list[Layout]:
    """All layouts that divide the model and the batch, those that send least first."""
    found = [
        _estimate(config, mesh, parts, batch=batch, length=length)
        for mesh in _meshes(config, chips, length, block)
        for parts in _parts(batch, mesh[0] * mesh[1])
    ]
    return sorted(found, key=lambda layout: (layout.sent, layout.held))


def _powers(most: int) -> Iterator[int]:
    size = 1
    while size <= most:
        yield size
        size *= 2


def _meshes(config: LlamaConfig, chips: int, length: int, block: int) -> Iterator[tuple[int, int, int, int]]:
    for tensor in _powers(config.num_key_value_heads):
        for sequence in _powers(length // block):
            for data in _powers(chips // (tensor * sequence)):
                fsdp = chips // (tensor * sequence * data)
                whole = data * fsdp * sequence * tensor == chips
                cut = (config.num_key_value_heads % tensor, config.intermediate_size % tensor)
                if whole and not any(cut) and config.hidden_size % (fsdp * sequence) == 0:
                    yield data, fsdp, sequence, tensor


def _parts(batch: int, rows: int) -> Iterator[int]:
    """Numbers of microbatches in which each of `rows` groups of chips has at least one sequence."""
    if batch % rows == 0:
        yield from (parts for parts in _powers(batch // rows) if batch % (rows * parts) == 0)


def _estimate(config: LlamaConfig, mesh: tuple[int, int, int, int], parts: int, *, batch: int, length: int) -> Layout:
    data, fsdp, sequence, tensor = mesh
    weights = matrix_weights(config) + config.vocab_size * config.hidden_size
    layer = matrix_weights(config) / config.num_hidden_layers / tensor
    rows = batch / (data * fsdp * parts)
    states = rows * length / sequence * config.hidden_size * 2  # bfloat16 [rows, length, hidden] of one chip
    kv = rows * length * config.num_key_value_heads / tensor * config.head_dim * 2 * 2
    # Weights, two means of Adam's and the gradient in float32; each layer's input; logits, thrice; two layers' weights.
    held = 16 * weights / (fsdp * sequence * tensor) + config.num_hidden_layers * states / tensor
    held += 3 * 4 * rows * length / sequence * config.vocab_size / tensor + 2 * 2 * layer
    # Weights gathered forward and again backward, gradients summed and cut, all in bfloat16. Copies along `data` get
    # sums of whole gradients, and over all chips at once XLA gathers by sums, too; a sum sends twice as much.
    cut = fsdp * sequence
    all_chips = data * tensor == 1
    gathered, gradients = 2 * 2 * (2 if all_chips else 1), 2 * (2 if all_chips or data > 1 else 1)
    sent = parts * config.num_hidden_layers * layer * (gathered + gradients) * (cut - 1) / cut
    # Around attention and MLP the states are gathered and their parts summed: 4 times forward, recomputed and backward.
    sent += parts * config.num_hidden_layers * 12 * states * (tensor - 1) / tensor
    sent += parts * config.num_hidden_layers * 3 * kv * (sequence - 1) / sequence
    return Layout(*mesh, parts, held, sent)
