"""The results of two operations with any XLA flags: python -m tests.processors.operations FLAGS

Prints the processor that LLVM compiles for, and hashes of `rsqrt` and of `x.T @ dy` at the demo's shape."""

import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path


def operations(flags: str, dump: Path) -> None:
    os.environ |= {"NPROC": "1", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": f"{flags} --xla_dump_to={dump}"}
    import jax
    import numpy as np

    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((1022, 128), np.float32) for _ in range(2))
    results = {"rsqrt": jax.jit(jax.lax.rsqrt)(x * x + 1), "x.T @ dy": jax.jit(lambda x, dy: x.T @ dy)(x, dy)}
    for path in sorted(dump.glob("*/topology.textproto"))[:1]:  # none if both programs came from JAX's cache
        # After the platform's name: field 2, its length, the processor's name, field 3.
        name = re.findall(r"linux-gnu\\022(?:\\\d{3}|\\[tnr])([\w-]+)\\032", path.read_text(encoding="utf-8"))[0]
        print("processor", name)
    for name, result in results.items():
        print(name, hashlib.sha256(np.asarray(result).tobytes()).hexdigest()[:16])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        operations(sys.argv[1], Path(folder))
