"""Delivery of spikes along static connections into the ring buffer: one meaning, several lowerings.

A table holds connections sorted by source: the row of source ``first_source + i`` is ``row_ptr[i] : row_ptr[i + 1]`` of
`target` (a column of the ring buffer), `weight` and `delay` (steps); within a row targets do not decrease. A spike of
amplitude a emitted in step n adds a * weight to ``ring[(n + delay) % len(ring), target]``; in a table whose targets are
routed by sign, an event with a negative value goes to the column ``target + inhibitory`` instead. Events are routed one
by one, before anything is summed.

All lowerings add in the same order (step, source, place in the row). The dense one is plain JAX; that of events is
the primitive of `events/bilinear.py`, with the same derivatives.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxnest.events import bilinear


class Table(NamedTuple):
    """Connections sorted by source. `weight` lives with the parameters, since it has a gradient.

    `row_ptr` (rows + 1,) int32; `target` (n,) int32; `delay` (n,) or (1,) unsigned, in steps.
    """

    row_ptr: Any
    target: Any
    delay: Any

    def sources(self) -> Any:
        """The row (n,) that each connection lies in."""
        counts = jnp.diff(self.row_ptr)
        return jnp.repeat(jnp.arange(counts.shape[0], dtype=jnp.int32), counts, total_repeat_length=self.target.shape[0])


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


def deliver(
    ring: Any, spikes: Any, weight: Any, first: Any, table: Table, layout: Layout, *, dense: bool, native: bool = False
) -> Any:
    """Add the events of `spikes` to `ring`.

    **Arguments:** `ring` (slots, columns); `spikes` (L, n_sources): amplitudes emitted in the steps `first` ...
    `first + L - 1`; `weight` (n,) or (1,); `dense`: whether every connection is visited (small networks) or only
    those of sources that spike, these in C++ if `native` and on the CPU, else in XLA.

    **Returns:** the new ring.
    """
    if dense:
        return _dense(layout, ring, spikes, weight, first, table)
    return bilinear.deliver(ring, spikes, weight, first, table.row_ptr, table.target, table.delay, layout, native)


def _dense(layout: Layout, ring: Any, spikes: Any, weight: Any, first: Any, table: Table) -> Any:
    source = table.sources() + layout.first_source
    value = spikes[:, source] * weight[None]
    sign = weight[None] * jnp.where(spikes == 0, 1.0, spikes)[:, source]
    lags = jnp.arange(sign.shape[0], dtype=jnp.int32)[:, None]
    slot = (first + lags + table.delay.astype(jnp.int32)[None]) % ring.shape[0]
    column = table.target[None] + jnp.where(sign < 0, layout.inhibitory, 0)
    return ring.at[jnp.broadcast_to(slot, column.shape), column].add(value.astype(ring.dtype))
