"""Delivery of spikes along static connections into the ring buffer: one meaning, several lowerings.

A table holds connections sorted by source: the row of source i is ``row_ptr[i] : row_ptr[i + 1]`` of `target` (a
column of the ring buffer), `weight` and `delay` (steps). A spike of amplitude a emitted in step n adds a * weight to
``ring[(n + delay) % len(ring), target]``; in a table whose targets are routed by sign, an event with a negative value
goes to the column ``target + inhibitory`` instead. Events are routed one by one, before anything is summed.

Both lowerings add in the same order (step, source, place in the row). Derivatives are those of the dense form.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest.events.compact import nth, pack


class Table(NamedTuple):
    """Connections sorted by source. `weight` lives with the parameters, since it has a gradient.

    `row_ptr` (n_sources + 1,) int32; `target` (n,) int32; `delay` (n,) or (1,) unsigned, in steps; `source` (n,)
    int32, needed by the dense lowering and by derivatives alone, else None.
    """

    row_ptr: Any
    target: Any
    delay: Any
    source: Any = None

    def with_source(self) -> Table:
        """The table with `source` filled in."""
        if self.source is not None:
            return self
        n = self.target.shape[0]
        counts = jnp.diff(self.row_ptr)
        sources = jnp.arange(counts.shape[0], dtype=jnp.int32)
        return self._replace(source=jnp.repeat(sources, counts, total_repeat_length=n))


class Layout(NamedTuple):
    """What is static of a table: the offset of the `inhibitory` columns (0: not routed by sign), the `width` of the blocks
    in which XLA walks a row, the source of the first row, and the range of its targets: `low` <= target < `high`."""

    inhibitory: int
    width: int
    first_source: int = 0
    low: int = 0
    high: int = 0


def block_width(n: int, rows: int) -> int:
    """A block width for `n` connections in `rows` non-empty rows: close to a mean row, a multiple of 32."""
    mean = n / max(rows, 1)
    return int(min(n, max(32, min(2048, 32 * round(1.15 * mean / 32)))))


def deliver(ring: Any, spikes: Any, weight: Any, first: Any, table: Table, layout: Layout, dense: bool) -> Any:
    """Add the events of `spikes` to `ring`.

    **Arguments:** `ring` (slots, columns); `spikes` (L, n_sources): amplitudes emitted in the steps `first` ...
    `first + L - 1`; `weight` (n,) or (1,); `dense`: whether every connection is visited (small networks) or only
    those of sources that spike.

    **Returns:** the new ring.
    """
    if dense:
        return _dense(layout, ring, spikes, weight, first, table)
    return _events(layout, ring, spikes, weight, first, table)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _events(layout: Layout, ring: Any, spikes: Any, weight: Any, first: Any, table: Table) -> Any:
    slots, columns = ring.shape
    n_sources = spikes.shape[1]
    packed = pack((spikes != 0).ravel())
    flat_spikes = spikes.ravel()
    lanes = jnp.arange(layout.width, dtype=jnp.int32)
    last_start = table.target.shape[0] - layout.width

    def row_block(carry: Any) -> Any:
        k, block, flat = carry
        event = nth(packed, k)
        lag, source = event // n_sources, event % n_sources
        begin, end = table.row_ptr[source] + block * layout.width, table.row_ptr[source + 1]
        start = jnp.minimum(begin, last_start)
        place = start + lanes
        value = _slice(weight, start, layout.width) * flat_spikes[event]
        slot = (first + lag) % slots + _slice(table.delay, start, layout.width).astype(jnp.int32)
        slot = jnp.where(slot >= slots, slot - slots, slot)
        column = lax.dynamic_slice(table.target, (start,), (layout.width,))
        if layout.inhibitory:
            column = column + jnp.where(value < 0, layout.inhibitory, 0)
        inside = (place >= begin) & (place < end)
        index = jnp.where(inside, slot * columns + column, 0)
        flat = flat.at[index].add(jnp.where(inside, value, 0.0).astype(flat.dtype), mode="promise_in_bounds")
        done = begin + layout.width >= end
        return jnp.where(done, k + 1, k), jnp.where(done, 0, block + 1), flat

    zero = jnp.int32(0)
    _, _, flat = lax.while_loop(lambda c: c[0] < packed.total, row_block, (zero, zero, ring.ravel()))
    return flat.reshape(ring.shape)


@_events.defjvp
def _events_jvp(layout: Layout, primals: Any, tangents: Any) -> tuple[Any, Any]:
    ring, spikes, weight, first, table = primals
    d_ring, d_spikes, d_weight, _, _ = tangents
    table = table.with_source()
    change = d_spikes[:, table.source] * weight[None] + spikes[:, table.source] * d_weight[None]
    sign = weight[None] * jnp.where(spikes == 0, 1.0, spikes)[:, table.source]
    return _events(layout, *primals), d_ring.at[_places(layout, ring, sign, first, table)].add(change)


def _dense(layout: Layout, ring: Any, spikes: Any, weight: Any, first: Any, table: Table) -> Any:
    table = table.with_source()
    value = spikes[:, table.source] * weight[None]
    sign = weight[None] * jnp.where(spikes == 0, 1.0, spikes)[:, table.source]
    return ring.at[_places(layout, ring, sign, first, table)].add(value.astype(ring.dtype))


def _places(layout: Layout, ring: Any, sign: Any, first: Any, table: Table) -> tuple[Any, Any]:
    """Slot and column (L, n) of the event of each connection and step."""
    lags = jnp.arange(sign.shape[0], dtype=jnp.int32)[:, None]
    slot = (first + lags + table.delay.astype(jnp.int32)[None]) % ring.shape[0]
    column = table.target[None] + jnp.where(sign < 0, layout.inhibitory, 0)
    return jnp.broadcast_to(slot, column.shape), column


def _slice(array: Any, start: Any, width: int) -> Any:
    """`width` elements from `start`, or the one that all share."""
    return array if array.shape[0] == 1 else lax.dynamic_slice(array, (start,), (width,))
