"""The three partial sums of one trilinear form, as primitives, with derivatives of any order and mode:

    sum over lags l and connections c:   ring[slot, column] * spikes[l, source of c] * weight[c]

`deliver` leaves out the first factor and adds to the ring: events. `to_spikes` and `to_weight` leave out the second and
the third: they gather along the same rows, and are what gradients flow back by. Each is linear in its factors, and its
derivatives are the other two, so nothing else is ever needed.

slot = (first + l + delay[c]) % slots; column = target[c], or target[c] + inhibitory if route_spikes * route_weight < 0
(a route of spikes of 0 counts as 1): what routes is the primal event, also where a tangent is delivered.

Visited are rows of sources whose `spikes` are not zero; `to_spikes` visits all. Lowerings: C++ on the CPU
(events/native/deliver.cpp), XLA (events/rows.py) elsewhere. Under `vmap` the members of a batch run one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxnest.events import rows

if TYPE_CHECKING:
    from jaxnest.events.deliver import Layout


def deliver(
    ring: Any, spikes: Any, weight: Any, first: Any, row_ptr: Any, target: Any, delay: Any, layout: Layout, native: bool
) -> Any:
    """The events of `spikes` (L, n_sources) added to `ring` (slots, columns): see `jaxnest.events.deliver`."""
    spikes, weight = spikes.astype(ring.dtype), weight.astype(ring.dtype)
    where = (spikes, weight, jnp.asarray(first, jnp.int32), row_ptr, target, delay)
    return _deliver.bind(ring, spikes, weight, *where, layout=layout, native=native, by_value=True)


def pull(
    ring: Any,
    spikes: Any,
    weight: Any,
    sign: Any,
    first: Any,
    row_ptr: Any,
    target: Any,
    delay: Any,
    layout: Layout,
    native: bool,
) -> tuple[Any, Any]:
    """The other two sums, of events that are routed by `sign` (n,): what each spike would meet in `ring`, (L, n_sources), and what the
    events of each connection meet, (n,)."""
    where = (jnp.ones_like(spikes), sign, jnp.asarray(first, jnp.int32), row_ptr, target, delay)
    static = {"layout": layout, "native": native, "by_value": False}
    return _to_spikes.bind(ring, weight, *where, **static), _to_weight.bind(ring, spikes, *where, **static)


def _one_by_one(primitive: Primitive, operands: Sequence[Any], dims: Sequence[Any], **static: Any) -> tuple[Any, int]:
    """The batching rule: a loop over the batch."""
    mapped = [k for k, d in enumerate(dims) if d is not batching.not_mapped]

    def one(slices: Sequence[Any]) -> Any:
        whole = list(operands)
        for k, x in zip(mapped, slices, strict=True):
            whole[k] = x
        return primitive.bind(*whole, **static)

    return lax.map(one, [jnp.moveaxis(operands[k], dims[k], 0) for k in mapped]), 0


def _primitive(name: str, shape_of: Callable[..., Any], in_xla: Callable[..., Any]) -> Primitive:
    """A primitive with its lowerings; `shape_of` its operands is the shape of its result."""
    primitive = Primitive(f"jaxnest_{name}")

    def elsewhere(*operands: Any, native: bool, **static: Any) -> Any:
        return in_xla(*operands, **static)

    def on_cpu(*operands: Any, native: bool, layout: Layout, by_value: bool) -> Any:
        if not native:
            return in_xla(*operands, layout=layout, by_value=by_value)
        out = jax.ShapeDtypeStruct(shape_of(*operands), operands[0].dtype)
        static = {
            "inhibitory": layout.inhibitory,
            "first_source": layout.first_source,
            "low": layout.low,
            "high": layout.high,
            "segments": layout.segments,
            "shortest": layout.shortest,
            "by_value": by_value,
        }
        aliases = {0: 0} if primitive is _deliver else None
        call = jax.ffi.ffi_call(f"jaxnest_{name}", out, input_output_aliases=aliases)
        return call(*operands, **{key: np.int64(value) for key, value in static.items()})

    primitive.def_impl(lambda *operands, **static: jax.jit(partial(primitive.bind, **static))(*operands))
    primitive.def_abstract_eval(lambda *operands, **_: jax.core.ShapedArray(shape_of(*operands), operands[0].dtype))
    mlir.register_lowering(primitive, mlir.lower_fun(elsewhere, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")
    batching.primitive_batchers[primitive] = partial(_one_by_one, primitive)
    return primitive


# operands: ring, spikes, weight, route_spikes, route_weight, first, row_ptr, target, delay
_deliver = _primitive("deliver", lambda ring, *_: ring.shape, rows.deliver)
# operands: ring, weight, route_spikes, … as above
_to_spikes = _primitive("to_spikes", lambda ring, weight, route_spikes, *_: route_spikes.shape, rows.to_spikes)
# operands: ring, spikes, route_spikes, … as above
_to_weight = _primitive("to_weight", lambda ring, spikes, route_spikes, route_weight, *_: route_weight.shape, rows.to_weight)


def _is_zero(x: Any) -> bool:
    return type(x) is ad.Zero


def _deliver_jvp(primals: Sequence[Any], tangents: Sequence[Any], **static: Any) -> tuple[Any, Any]:
    ring, spikes, weight, *where = primals
    d_ring, d_spikes, d_weight, *_ = tangents
    out = _deliver.bind(*primals, **static)
    static["by_value"] = False
    change = jnp.zeros_like(ring) if _is_zero(d_ring) else d_ring
    if not _is_zero(d_spikes):
        change = _deliver.bind(change, d_spikes, weight, *where, **static)
    if not _is_zero(d_weight):
        change = _deliver.bind(change, spikes, d_weight, *where, **static)
    return out, change


def _deliver_transpose(ct: Any, ring: Any, spikes: Any, weight: Any, *where: Any, **static: Any) -> list[Any]:
    cts: list[Any] = [None] * (3 + len(where))
    if _is_zero(ct):
        return cts
    static["by_value"] = False
    if ad.is_undefined_primal(ring):
        cts[0] = ct
    if ad.is_undefined_primal(spikes):
        cts[1] = _to_spikes.bind(ct, weight, *where, **static)
    if ad.is_undefined_primal(weight):
        cts[2] = _to_weight.bind(ct, spikes, *where, **static)
    return cts


def _pull_jvp(primitive: Primitive, primals: Sequence[Any], tangents: Sequence[Any], **static: Any) -> tuple[Any, Any]:
    """Of a sum that is linear in its first and in its second operand."""
    out, change = primitive.bind(*primals, **static), None
    for k in range(2):
        if not _is_zero(tangents[k]):
            part = primitive.bind(*primals[:k], tangents[k], *primals[k + 1 :], **static)
            change = part if change is None else change + part
    return out, jnp.zeros_like(out) if change is None else change


def _pull_transpose(to_spikes: bool, ct: Any, ring: Any, factor: Any, *where: Any, **static: Any) -> list[Any]:
    cts: list[Any] = [None] * (2 + len(where))
    if _is_zero(ct):
        return cts
    if ad.is_undefined_primal(ring):
        zeros = jnp.zeros(ring.aval.shape, ring.aval.dtype)
        factors = (ct, factor) if to_spikes else (factor, ct)
        cts[0] = _deliver.bind(zeros, *factors, *where, **static)
    if ad.is_undefined_primal(factor):
        cts[1] = (_to_weight if to_spikes else _to_spikes).bind(ring, ct, *where, **static)
    return cts


ad.primitive_jvps[_deliver] = _deliver_jvp
ad.primitive_transposes[_deliver] = _deliver_transpose
for _primitive_, _its in ((_to_spikes, True), (_to_weight, False)):
    ad.primitive_jvps[_primitive_] = partial(_pull_jvp, _primitive_)
    ad.primitive_transposes[_primitive_] = partial(_pull_transpose, _its)
