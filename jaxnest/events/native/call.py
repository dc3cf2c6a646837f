"""Calls of the library's functions from JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np


def choose(in_cpp: Callable[..., Any], in_xla: Callable[..., Any], *operands: Any) -> Any:
    """``in_cpp(*operands)``, but ``in_xla(*operands)`` wherever there are tangents."""

    @jax.custom_jvp
    def either(*operands: Any) -> Any:
        return in_cpp(*operands)

    @either.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return jax.jvp(in_xla, primals, tangents)

    return either(*operands)


def in_place(name: str, given: Sequence[Any], changed: Sequence[Any], **attributes: int) -> list[Any]:
    """The `changed` arrays after a call of ``jaxnest_NAME`` with ``(*given, *changed)``, which writes into them."""
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in changed]
    aliases = {len(given) + k: k for k in range(len(changed))}
    call = jax.ffi.ffi_call(f"jaxnest_{name}", shapes, input_output_aliases=aliases, vmap_method="sequential")
    return list(call(*given, *changed, **{key: np.int64(value) for key, value in attributes.items()}))
