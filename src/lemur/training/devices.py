"""The mesh a training runs on, and how batches and results move between hosts and devices."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding

from lemur.model.attention import BLOCK
from lemur.model.config import LlamaConfig
from lemur.model.sharding import AXES, spec
from lemur.tokens.shards import Arrays
from lemur.training.params import MeshParams, TrainingParams, mesh_problems

BATCH_AXES = (None, "batch", "length")


def make_mesh(params: MeshParams) -> Mesh | None:
    """The mesh of params.yaml over all devices of all processes; None if it is of one device.

    Raises `ValueError` if there are more or fewer devices.
    """
    available = jax.device_count()
    if params.devices == 1 and jax.process_count() == 1:
        return None
    if params.devices != available:
        raise ValueError(
            f"mesh: {_format_sizes(params.sizes())} make {params.devices} devices, but JAX sees {available} "
            f"{jax.devices()[0].platform} devices in {jax.process_count()} processes; the product of the axes must be "
            "the number of devices"
        )
    return lay_out(params, jax.devices())


def lay_out(params: MeshParams, devices: Sequence[Any]) -> Mesh:
    """A mesh of these devices. On a TPU its axes follow the links of the torus, elsewhere the order of processes."""
    # On a TPU an axis may use part of a torus's dimension.
    grid = mesh_utils.create_device_mesh(
        tuple(params.sizes().values()), devices, allow_split_physical_axes=devices[0].platform == "tpu"
    )
    return Mesh(grid, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def check_mesh(params: TrainingParams, config: LlamaConfig) -> None:
    """Raises `ValueError` that names each axis which does not divide a dimension it splits, and the sizes that do."""
    if problems := mesh_problems(params.mesh, config):
        raise ValueError("\n".join(problems))


def use_mesh(mesh: Mesh | None) -> AbstractContextManager[Any]:
    """`with use_mesh(mesh):` programs compiled inside are split along the mesh."""
    return jax.set_mesh(mesh) if mesh is not None else nullcontext()


def length_multiple(mesh: Mesh | None, kernel: bool) -> int:
    """Sequences are padded to a multiple of this, so that parts have equal length and fill the TPU kernel's tiles."""
    return (mesh.shape["sequence"] * mesh.shape["tensor"] if mesh else 1) * (BLOCK if kernel else 1)


def row_block(mesh: Mesh | None, rows: int) -> tuple[int, int]:
    """(index, count): this process reads block `index` of `count` equal blocks of each microbatch's rows.

    Processes that hold the same rows, since they differ only along axes other than data and fsdp, read the same block.
    """
    if mesh is None or jax.process_count() == 1:
        return 0, 1
    sharding = NamedSharding(mesh, spec(mesh, (rows,), ("batch",)))
    parts = sharding.addressable_devices_indices_map((rows,)).values()
    own_rows = sorted({part[0].indices(rows)[:2] for part in parts if part is not None})
    start, stop = own_rows[0][0], own_rows[-1][1]
    size = stop - start
    if sum(b - a for a, b in own_rows) != size or start % size or rows % size:
        raise ValueError(
            f"mesh: process {jax.process_index()} holds the rows {own_rows} of {rows}, which are not one block; make "
            "data * fsdp a multiple of the number of processes, or each process's number of devices a multiple of "
            "sequence * tensor"
        )
    return start // size, rows // size


def place(mesh: Mesh | None, arrays: Arrays, block: tuple[int, int]) -> dict[str, Any]:
    """Arrays [microbatches, this process's rows, L] as global arrays on the devices."""
    if mesh is None:
        return dict(arrays)
    index, count = block

    def put(local: np.ndarray) -> jax.Array:
        first, shape = index * local.shape[1], (local.shape[0], local.shape[1] * count, local.shape[2])

        def part(where: Any) -> np.ndarray:
            start, stop, _ = where[1].indices(shape[1])
            return local[where[0], start - first : stop - first, where[2]]

        return jax.make_array_from_callback(shape, NamedSharding(mesh, spec(mesh, shape, BATCH_AXES)), part)

    return {name: put(array) for name, array in arrays.items()}


def gather_over_processes(values: list[float]) -> np.ndarray:
    """float64 [processes, len(values)]: the values of every process; the same array in each of them."""
    if jax.process_count() == 1:
        return np.array([values], np.float64)
    from jax.experimental import multihost_utils

    # As bytes, because arrays on devices are float32 at most.
    gathered = multihost_utils.process_allgather(np.array(values, np.float64).view(np.uint8))
    return np.asarray(gathered).reshape(jax.process_count(), -1).view(np.float64)


def _format_sizes(sizes: dict[str, int]) -> str:
    return " * ".join(f"{axis} {size}" for axis, size in sizes.items())
