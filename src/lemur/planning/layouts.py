"""Which meshes are worth compiling: every layout of a machine, with an estimate of what a chip holds and sends.

The estimate only orders and prunes; the compiler decides what fits (`lemur.planning.plan`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.model.config import LlamaConfig
from lemur.training.flops import matrix_weights


@dataclass(frozen=True)
class Layout:
    """data * fsdp * sequence * tensor chips, and a batch in `microbatches` parts. `held` and `sent` are estimated bytes
    per chip."""

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
    estimates = [
        _estimate(config, mesh, parts, batch=batch, length=length)
        for mesh in _meshes(config, chips, length, block)
        for parts in _parts(batch, mesh[0] * mesh[1])
    ]
    return sorted(estimates, key=lambda layout: (layout.sent, layout.held))


def _powers_of_two(maximum: int) -> Iterator[int]:
    size = 1
    while size <= maximum:
        yield size
        size *= 2


def _meshes(config: LlamaConfig, chips: int, length: int, block: int) -> Iterator[tuple[int, int, int, int]]:
    for tensor in _powers_of_two(config.num_key_value_heads):
        for sequence in _powers_of_two(length // block):
            for data in _powers_of_two(chips // (tensor * sequence)):
                fsdp = chips // (tensor * sequence * data)
                uses_all_chips = data * fsdp * sequence * tensor == chips
                remainders = (config.num_key_value_heads % tensor, config.intermediate_size % tensor)
                if uses_all_chips and not any(remainders) and config.hidden_size % (fsdp * sequence) == 0:
                    yield data, fsdp, sequence, tensor


def _parts(batch: int, rows: int) -> Iterator[int]:
    """Numbers of microbatches that leave each of `rows` groups of chips at least one sequence."""
    if batch % rows == 0:
        yield from (parts for parts in _powers_of_two(batch // rows) if batch % (rows * parts) == 0)


def _estimate(config: LlamaConfig, mesh: tuple[int, int, int, int], parts: int, *, batch: int, length: int) -> Layout:
    data, fsdp, sequence, tensor = mesh
    weights = matrix_weights(config) + config.vocab_size * config.hidden_size
    layer = matrix_weights(config) / config.num_hidden_layers / tensor
    rows = batch / (data * fsdp * parts)
    states = rows * length / sequence * config.hidden_size * 2  # bfloat16 [rows, length, hidden] of one chip
    kv = rows * length * config.num_key_value_heads / tensor * config.head_dim * 2 * 2
    # Weights, Adam's two means and the gradient in float32; each layer's input; logits, thrice; two layers' weights.
    held = 16 * weights / (fsdp * sequence * tensor) + config.num_hidden_layers * states / tensor
    held += 3 * 4 * rows * length / sequence * config.vocab_size / tensor + 2 * 2 * layer
    # Weights gathered forward and again backward, gradients reduced and scattered, all in bfloat16. Copies along `data`
    # all-reduce whole gradients, and over all chips at once XLA also gathers by all-reduce, which sends twice as much.
    cut = fsdp * sequence
    all_chips = data * tensor == 1
    gathered, gradients = 2 * 2 * (2 if all_chips else 1), 2 * (2 if all_chips or data > 1 else 1)
    sent = parts * config.num_hidden_layers * layer * (gathered + gradients) * (cut - 1) / cut
    # Around attention and MLP the states are gathered and their parts summed: 4 times each in the forward pass, in its
    # recomputation and in the backward pass.
    sent += parts * config.num_hidden_layers * 12 * states * (tensor - 1) / tensor
    sent += parts * config.num_hidden_layers * 3 * kv * (sequence - 1) / sequence
    return Layout(*mesh, parts, held, sent)
