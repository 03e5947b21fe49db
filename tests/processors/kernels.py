"""Products of the sizes in larger models, and the functions that programs consist of."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

LENGTHS = (576, 1536, 4096, 8192)  # of the axis that a product sums over, which determines the kernel
ROWS = (1, 8, 1022)
WIDTH = 192
FUNCTIONS = {
    "exp": jnp.exp,
    "log": lambda x: jnp.log(x * x + 1e-3),
    "power": lambda x: 10000.0**x,
    "sine and cosine": lambda x: jnp.sin(100 * x) + jnp.cos(100 * x),
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "rsqrt": lambda x: jax.lax.rsqrt(x * x + 1e-5),
    "sqrt and division": lambda x: x / (jnp.sqrt(x * x) + 1e-8),
    "softmax": jax.nn.softmax,
    "logsumexp": lambda x: jax.nn.logsumexp(x, axis=-1),
    "cumulative sum": lambda x: jnp.cumsum(x, axis=-1),
    "sums of rows": lambda x: x.sum(axis=-1),
    "sums of columns": lambda x: x.sum(axis=0),
    "sum": jnp.sum,
    "largest": lambda x: x.argmax(axis=-1),
}


def kernels() -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(9)
    for length in LENGTHS:
        weight = rng.standard_normal((length, WIDTH), np.float32)
        for rows in ROWS:
            x = rng.standard_normal((rows, length), np.float32)
            yield f"product {rows}x{length}x{WIDTH}", _bytes(jnp.matmul, x, weight)
            yield f"transposed product {rows}x{length}x{WIDTH}", _bytes(_transposed, x, weight.T.copy())
    for columns in (128, 1000, 4101):
        x = rng.standard_normal((512, columns), np.float32)
        for name, function in FUNCTIONS.items():
            yield f"{name} of {columns}", _bytes(function, x)


def _transposed(x: jax.Array, weight: jax.Array) -> jax.Array:
    return jnp.einsum("td,vd->tv", x, weight)


def _bytes(function, *operands: np.ndarray) -> bytes:  # type: ignore[no-untyped-def]
    return np.asarray(jax.jit(function)(*operands)).tobytes()
