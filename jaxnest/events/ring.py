"""Reading and writing a part of one row of an array whose rows are steps: the ring buffer, the spikes of a slice.

`read`, `add` and `put` are primitives with derivatives of any order and mode (each is linear; `read` and `add` are each other's transposes).
They are `lax.dynamic_slice` and `lax.dynamic_update_slice`, but stay so under `jax.vmap` where all members of a batch are at the same step: JAX
makes gathers and scatters of those, which XLA guards by selections that copy the whole array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


def read(array: Any, row: Any, column: Any, n: int) -> Any:
    """`n` values of a row (traced), from `column` on: of array (rows, columns), (n,)."""
    return _read.bind(array, _place(row), _place(column), n=n)


def add(array: Any, values: Any, row: Any, column: Any) -> Any:
    """`array` (rows, columns) with `values` (n,) added in a row, from `column` on."""
    return _add.bind(array, values.astype(array.dtype), _place(row), _place(column))


def put(array: Any, values: Any, row: Any, column: Any) -> Any:
    """`array` (rows, columns) with `values` (n,) in the place of what was in a row, from `column` on."""
    return _put.bind(array, values.astype(array.dtype), _place(row), _place(column))


def _place(index: Any) -> Any:
    return jnp.asarray(index, jnp.int32)


# Each primitive takes arrays with any number of leading axes, those of batches.


def _start(array: Any, row: Any, column: Any) -> tuple[Any, ...]:
    return (*[jnp.int32(0)] * (array.ndim - 2), row, column)


def _slice(array: Any, row: Any, column: Any, n: int) -> Any:
    part = lax.dynamic_slice(array, _start(array, row, column), (*array.shape[:-2], 1, n))
    return part.reshape(*array.shape[:-2], n)


def _opaque_slice(array: Any, row: Any, column: Any, n: int) -> Any:
    """On CPU, XLA would repeat the reading inside every user of the values, and then copy the whole array before it is
    written (three times a step, 0.5 of 0.7 ms in a network of 7,700 neurons). It does not look into a conditional."""

    def nothing(array: Any) -> Any:
        return jnp.zeros((*array.shape[:-2], n), array.dtype)

    return lax.cond(row >= 0, lambda array: _slice(array, row, column, n), nothing, array)


def _written(array: Any, values: Any, row: Any, column: Any) -> Any:
    part = values.reshape(*array.shape[:-2], 1, values.shape[-1])
    return lax.dynamic_update_slice(array, part, _start(array, row, column))


def _added(array: Any, values: Any, row: Any, column: Any) -> Any:
    return _written(array, _slice(array, row, column, values.shape[-1]) + values, row, column)


def _primitive(name: str, shape_of: Callable[..., Any], work: Callable[..., Any], on_cpu: Callable[..., Any]) -> Primitive:
    primitive = Primitive(f"jaxnest_{name}_row")
    primitive.def_impl(lambda *operands, **static: jax.jit(partial(primitive.bind, **static))(*operands))
    primitive.def_abstract_eval(lambda *x, **static: jax.core.ShapedArray(shape_of(*x, **static), x[0].dtype))
    mlir.register_lowering(primitive, mlir.lower_fun(work, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")
    batching.primitive_batchers[primitive] = partial(_batched, primitive, work)
    return primitive


def _batched(
    primitive: Primitive, work: Callable[..., Any], operands: Sequence[Any], dims: Sequence[Any], **static: Any
) -> tuple[Any, int]:
    *arrays, row, column = operands
    *of_arrays, of_row, of_column = dims
    if of_row is not batching.not_mapped or of_column is not batching.not_mapped:  # each member is at a step of its own
        return jax.vmap(partial(work, **static), tuple(dims))(*operands), 0
    size = next(x.shape[d] for x, d in zip(arrays, of_arrays, strict=True) if d is not batching.not_mapped)
    whole = [batching.bdim_at_front(x, d, size) for x, d in zip(arrays, of_arrays, strict=True)]
    return primitive.bind(*whole, row, column, **static), 0


def _same(array: Any, *_: Any) -> Any:
    return array.shape


_read = _primitive("read", lambda array, *_, n: (*array.shape[:-2], n), _slice, _opaque_slice)
_add = _primitive("add", _same, _added, _added)
_put = _primitive("put", _same, _written, _written)


def _jvp(primitive: Primitive, primals: Sequence[Any], tangents: Sequence[Any], **static: Any) -> tuple[Any, Any]:
    *arrays, row, column = primals
    changes = [ad.instantiate_zeros(t) for t in tangents[: len(arrays)]]
    return primitive.bind(*primals, **static), primitive.bind(*changes, row, column, **static)


for _each in (_read, _add, _put):
    ad.primitive_jvps[_each] = partial(_jvp, _each)


def _read_transpose(ct: Any, array: Any, row: Any, column: Any, *, n: int) -> list[Any]:
    zeros = jnp.zeros(array.aval.shape, array.aval.dtype)
    return [None if type(ct) is ad.Zero else _put.bind(zeros, ct, row, column), None, None]


def _write_transpose(replaces: bool, ct: Any, array: Any, values: Any, row: Any, column: Any) -> list[Any]:
    out: list[Any] = [None] * 4
    if type(ct) is ad.Zero:
        return out
    n = (values.aval if ad.is_undefined_primal(values) else values).shape[-1]
    if ad.is_undefined_primal(array):
        out[0] = _put.bind(ct, jnp.zeros((*ct.shape[:-2], n), ct.dtype), row, column) if replaces else ct
    if ad.is_undefined_primal(values):
        out[1] = _read.bind(ct, row, column, n=n)
    return out


ad.primitive_transposes[_read] = _read_transpose
ad.primitive_transposes[_add] = partial(_write_transpose, False)
ad.primitive_transposes[_put] = partial(_write_transpose, True)
