"""What losses, distances and encoders make of the arrays that they get."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp


def floats(values: Any) -> Any:
    """`values` as an array of real numbers: of its own type, or of JAX's where it holds integers."""
    values = jnp.asarray(values)
    return values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(jnp.result_type(float))
