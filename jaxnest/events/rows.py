"""The sums of `events/bilinear.py` in XLA: loops over blocks of the rows of sources that spiked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest.events.compact import nth, pack

if TYPE_CHECKING:
    from jaxnest.events.deliver import Layout


def deliver(
    ring: Any,
    spikes: Any,
    weight: Any,
    route_spikes: Any,
    route_weight: Any,
    first: Any,
    row_ptr: Any,
    target: Any,
    delay: Any,
    *,
    layout: Layout,
    by_value: bool,
) -> Any:
    slots, columns = ring.shape

    def block(flat: Any, spike: Any, lag: Any, route: Any, start: Any, inside: Any) -> Any:
        value = _slice(weight, start, layout.width) * spike
        sign = value if by_value else _slice(route_weight, start, layout.width) * route
        place = _places(layout, slots, columns, sign, first + lag, start, target, delay)
        value = jnp.where(inside, value, 0.0)
        return flat.at[jnp.where(inside, place, 0)].add(value.astype(flat.dtype), mode="promise_in_bounds")

    return _walk(block, ring.ravel(), spikes, route_spikes, row_ptr, target, layout).reshape(ring.shape)


def to_weight(
    ring: Any,
    spikes: Any,
    route_spikes: Any,
    route_weight: Any,
    first: Any,
    row_ptr: Any,
    target: Any,
    delay: Any,
    *,
    layout: Layout,
    by_value: bool,
) -> Any:
    slots, columns = ring.shape
    flat = ring.ravel()

    def block(out: Any, spike: Any, lag: Any, route: Any, start: Any, inside: Any) -> Any:
        sign = _slice(route_weight, start, layout.width) * route
        place = _places(layout, slots, columns, sign, first + lag, start, target, delay)
        value = jnp.where(inside, flat[place] * spike, 0.0)
        if out.shape[0] == 1:
            return out + jnp.sum(value)
        return lax.dynamic_update_slice(out, _slice(out, start, layout.width) + value, (start,))

    return _walk(block, jnp.zeros(route_weight.shape, ring.dtype), spikes, route_spikes, row_ptr, target, layout)


def to_spikes(
    ring: Any,
    weight: Any,
    route_spikes: Any,
    route_weight: Any,
    first: Any,
    row_ptr: Any,
    target: Any,
    delay: Any,
    *,
    layout: Layout,
    by_value: bool,
) -> Any:
    slots, columns = ring.shape
    flat = ring.ravel()
    row_ptr = row_ptr[:: layout.segments]
    n, rows = target.shape[0], row_ptr.shape[0] - 1
    row = jnp.repeat(jnp.arange(rows, dtype=jnp.int32), jnp.diff(row_ptr), total_repeat_length=n)

    def one_lag(lag: Any) -> Any:
        routes = lax.dynamic_index_in_dim(route_spikes, lag, keepdims=False)[layout.first_source :][:rows]
        sign = route_weight * _route(routes)[row]
        column = target + jnp.where(sign < 0, layout.inhibitory, 0)
        slot = (first + lag + delay.astype(jnp.int32)) % slots
        sums = jax.ops.segment_sum(flat[slot * columns + column] * weight, row, rows, indices_are_sorted=True)
        after = route_spikes.shape[1] - layout.first_source - rows
        return jnp.pad(sums, (layout.first_source, after))

    return lax.map(one_lag, jnp.arange(route_spikes.shape[0], dtype=jnp.int32))


def _walk(
    block: Callable[..., Any], carry: Any, spikes: Any, route_spikes: Any, row_ptr: Any, target: Any, layout: Layout
) -> Any:
    """`carry` after ``carry = block(carry, spike, lag, route, start, inside)`` for every block of every row whose source
    spiked; `inside` (width,) are the connections from `start` on that belong to the row and were not yet visited."""
    row_ptr = row_ptr[:: layout.segments]
    rows = row_ptr.shape[0] - 1
    mine = slice(layout.first_source, layout.first_source + rows)
    packed = pack((spikes[:, mine] != 0).ravel())
    flat, routes = spikes[:, mine].ravel(), route_spikes[:, mine].ravel()
    lanes = jnp.arange(layout.width, dtype=jnp.int32)
    last_start = target.shape[0] - layout.width

    def one(c: Any) -> Any:
        k, number, carry = c
        event = nth(packed, k)
        begin, end = row_ptr[event % rows] + number * layout.width, row_ptr[event % rows + 1]
        start = jnp.minimum(begin, last_start)
        inside = (start + lanes >= begin) & (start + lanes < end)
        carry = block(carry, flat[event], event // rows, _route(routes[event]), start, inside)
        done = begin + layout.width >= end
        return jnp.where(done, k + 1, k), jnp.where(done, 0, number + 1), carry

    zero = jnp.int32(0)
    return lax.while_loop(lambda c: c[0] < packed.total, one, (zero, zero, carry))[2]


def _places(layout: Layout, slots: int, columns: int, sign: Any, step: Any, start: Any, target: Any, delay: Any) -> Any:
    """Where in the flat ring the events of the connections from `start` on lie, routed by `sign`."""
    slot = step % slots + _slice(delay, start, layout.width).astype(jnp.int32)
    slot = jnp.where(slot >= slots, slot - slots, slot)
    column = lax.dynamic_slice(target, (start,), (layout.width,))
    if layout.inhibitory:
        column = column + jnp.where(sign < 0, layout.inhibitory, 0)
    return slot * columns + column


def _route(spikes: Any) -> Any:
    return jnp.where(spikes == 0, jnp.ones_like(spikes), spikes)


def _slice(array: Any, start: Any, width: int) -> Any:
    """`width` elements from `start`, or the one that all share."""
    return array if array.shape[0] == 1 else lax.dynamic_slice(array, (start,), (width,))
