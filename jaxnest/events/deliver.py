"""Delivery of spikes along static connections into the ring buffer: one meaning, several lowerings.

A table holds connections sorted by source: the row of source ``first_source + i`` is ``row_ptr[i] : row_ptr[i + 1]`` of
`target` (a column of the ring buffer), `weight` and `delay` (steps); within a row targets do not decrease. Where rows are long,
each is cut into g segments, one for each delay from the shortest on: then segment k of the row is
``row_ptr[i * g + k] : row_ptr[i * g + k + 1]``, and it is within segments that targets do not decrease. A spike of
amplitude a emitted in step n adds a * weight to ``ring[(n + delay) % len(ring), target]``; in a table whose targets are
routed by sign, an event with a negative value goes to the column ``target + inhibitory`` instead. Events are routed one
by one, before anything is summed.

All lowerings add in the same order (step, source, place in the row). The dense one is plain JAX; that of events is
the primitive of `events/bilinear.py`, with the same derivatives. Tables that connect all with all can be matrix products
(`events/matrix.py`), which add in an order of their own.

Rows in segments can also be delivered when they are due, not when the spike was emitted (`Queue`): all events of a moment
fall on one slot of the ring, which stays in the processor's cache, where otherwise each falls on a place of its own in
the whole ring, which does not (4 times the time in a network of 77,000 neurons).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxnest.events import bilinear, matrix
from jaxnest.events.native.call import in_place


class Table(NamedTuple):
    """Connections sorted by source. `weight` lives with the parameters, since it has a gradient.

    `row_ptr` (rows * segments + 1,) int32; `target` (n,) int32; `delay` (n,) or (1,) unsigned, in steps.
    """

    row_ptr: Any
    target: Any
    delay: Any

    def sources(self, segments: int = 1) -> Any:
        """The row (n,) that each connection lies in."""
        counts = jnp.diff(self.row_ptr[::segments])
        return jnp.repeat(jnp.arange(counts.shape[0], dtype=jnp.int32), counts, total_repeat_length=self.target.shape[0])


class Layout(NamedTuple):
    """What is static of a table: the offset of the `inhibitory` columns (0: not routed by sign), the `width` of the blocks
    in which XLA walks a row, the source of the first row, the range of its targets: `low` <= target < `high`, and the number of
    `segments` of a row (1: none), the first of which has the delay `shortest`; `matrix`: its targets, where each source has the same ones,
    and events are to be summed by matrix products (0: not)."""

    inhibitory: int
    width: int
    first_source: int = 0
    low: int = 0
    high: int = 0
    segments: int = 1
    shortest: int = 0
    matrix: int = 0


class Queue(NamedTuple):
    """Spikes of which not all events were delivered yet. Row ``n % rows`` holds those emitted in step n: their `count`
    (rows,), then `source` and `amplitude` (rows, n_sources), of which the first ``count`` count."""

    count: Any
    source: Any
    amplitude: Any

    @classmethod
    def zeros(cls, rows: int, n_sources: int, dtype: Any) -> Queue:
        shape = (rows, n_sources)
        return cls(jnp.zeros(rows, jnp.int32), jnp.zeros(shape, jnp.int32), jnp.zeros(shape, dtype))

    def entered(self, spikes: Any, first: Any, complete: Any) -> Queue:
        """With the `spikes` (L, n_sources) emitted from step `first` on; the same as before if not `complete`. C++ only."""
        given = (spikes, jnp.asarray(first, jnp.int32), jnp.asarray(complete, jnp.int32))
        return Queue(*in_place("enter", given, self))

    def deliver(self, ring: Any, weight: Any, table: Table, layout: Layout, begin: Any, end: Any, emitted: Any) -> Any:
        """`ring` with the events due in the steps `begin` ... `end` - 1 of all spikes emitted before step `emitted`, in the order
        (step of emission, source, place in the row). For tables in segments. C++ only, without derivatives."""
        moments = jnp.stack([jnp.asarray(m, jnp.int32) for m in (begin, end, emitted)])
        attributes = {k: v for k, v in layout._asdict().items() if k not in ("width", "matrix")}
        given = (weight.astype(ring.dtype), moments, table.row_ptr, table.target, *self)
        return in_place("due", given, (ring,), **attributes)[0]


def block_width(n: int, rows: int) -> int:
    """A block width for `n` connections in `rows` non-empty rows: close to a mean row, a multiple of 32."""
    mean = n / max(rows, 1)
    return int(min(n, max(32, min(2048, 32 * round(1.15 * mean / 32)))))


def deliver(
    ring: Any, spikes: Any, weight: Any, first: Any, table: Table, layout: Layout, *, dense: bool, native: bool = False
) -> Any:
    """Add the events of `spikes` to `ring`.

    **Arguments:** `ring` (slots, columns); `spikes` (L, n_sources): amplitudes emitted in the steps `first` ...
    `first + L - 1`; `weight` (n,) or (1,); `dense`: whether every connection is visited (small networks) or only
    those of sources that spike, these in C++ if `native` and on the CPU, else in XLA.

    **Returns:** the new ring.
    """
    if layout.matrix:
        return matrix.deliver(layout, ring, spikes, weight, first, table)
    if dense:
        return _dense(layout, ring, spikes, weight, first, table)
    return bilinear.deliver(ring, spikes, weight, first, table.row_ptr, table.target, table.delay, layout, native)


def _dense(layout: Layout, ring: Any, spikes: Any, weight: Any, first: Any, table: Table) -> Any:
    source = table.sources(layout.segments) + layout.first_source
    value = spikes[:, source] * weight[None]
    sign = weight[None] * jnp.where(spikes == 0, 1.0, spikes)[:, source]
    lags = jnp.arange(sign.shape[0], dtype=jnp.int32)[:, None]
    slot = (first + lags + table.delay.astype(jnp.int32)[None]) % ring.shape[0]
    column = table.target[None] + jnp.where(sign < 0, layout.inhibitory, 0)
    return ring.at[jnp.broadcast_to(slot, column.shape), column].add(value.astype(ring.dtype))
