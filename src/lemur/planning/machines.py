"""TPU slices that XLA's compiler can target without the hardware (`libtpu`; `make plan` installs it)."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lemur.core.files import ROOT

GIB = 1 << 30


@dataclass(frozen=True)
class Machine:
    """A slice. All numbers are per chip, from Google's data sheets.

    memory: bytes that a program can use, according to the compiler's errors (a v4 chip has 32 GiB). flops: bfloat16
    FLOP/s. interconnect: bytes per second over all links together, one way.
    """

    name: str
    topology: str
    options: tuple[tuple[str, Any], ...]
    memory: float
    flops: float
    interconnect: float


# The two cores of a v4 chip are one device ("megacore"), so a v4-512 has 256 devices.
MEGACORE = (("chip_config_name", "megacore"),)
MACHINES = {
    machine.name: machine
    for machine in (
        Machine("v4-512", "v4:8x8x4", MEGACORE, 30.75 * GIB, 275e12, 300e9),
        Machine("v4-128", "v4:4x4x4", MEGACORE, 30.75 * GIB, 275e12, 300e9),
        Machine("v4-8", "v4:2x2x1", MEGACORE, 30.75 * GIB, 275e12, 300e9),
    )
}


def devices(machine: Machine) -> Sequence[Any]:
    """Descriptions of a slice's chips, to compile for. Raises `SystemExit` if libtpu is not installed."""
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"  # do not look for Google's metadata server
    os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"  # there is no TPU that two processes could compete for
    os.environ["TPU_WORKER_HOSTNAMES"] = "localhost"
    os.environ["TPU_ACCELERATOR_TYPE"] = machine.name
    sys.path.append(str(ROOT / ".venv-plan"))
    try:
        import libtpu  # noqa: F401
    except ImportError:
        raise SystemExit("libtpu, the TPU compiler, is not installed; `make plan` installs and uses it") from None
    from jax.experimental import topologies

    topology = topologies.get_topology_desc(
        platform="tpu",
        topology_name=machine.topology,
        chips_per_host_bounds=(2, 2, 1),
        num_slices=1,
        **dict(machine.options),
    )
    return list(topology.devices)
