"""Delivery along tables that connect all of some sources with all of some targets, once and with one delay: matrix products.

The weights of such a table, sorted by source and then by target, are a matrix (sources, targets) as they lie. In a batch (`jax.vmap`) a product serves all
its members at once. The sums are those of the other lowerings, up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from jaxnest.events import ring as ring_row

if TYPE_CHECKING:
    from jaxnest.events.deliver import Layout, Table


def columns_of(row_ptr: Any, target: Any) -> int:
    """The number of targets, if the table is a matrix: every source has the same, consecutive ones; else 0. Arrays are NumPy's."""
    n = len(target) // max(len(row_ptr) - 1, 1)
    if n == 0 or len(target) != n * (len(row_ptr) - 1) or (row_ptr[1:] - row_ptr[:-1] != n).any():
        return 0
    rows = target.reshape(-1, n)
    consecutive = (rows[0] - rows[0, 0] == range(n)).all() if n > 1 else True
    return n if consecutive and (rows == rows[0]).all() else 0


def matrix(layout: Layout, weight: Any, table: Table, dtype: Any) -> Any:
    """The weights (sources, targets)."""
    rows = table.target.shape[0] // layout.matrix
    return jnp.broadcast_to(weight.astype(dtype), table.target.shape).reshape(rows, layout.matrix)


def deliver(layout: Layout, ring: Any, spikes: Any, weight: Any, first: Any, table: Table) -> Any:
    """Add the events of `spikes` (L, n_sources), of the steps `first` ..., to `ring`: see `jaxnest.events.deliver`."""
    rows = spikes[:, layout.first_source : layout.first_source + table.row_ptr.shape[0] - 1]
    return add(layout, ring, sums(layout, rows, weight, table, ring.dtype), first, table)


def sums(layout: Layout, mine: Any, weight: Any, table: Table, dtype: Any) -> Any:
    """What the spikes (L, sources) of the table's own sources bring: (1 or 2, L, targets), the second what is negative and goes to a
    channel of its own."""
    w = matrix(layout, weight, table, dtype)
    # events are routed by their own sign, before they are summed
    return jnp.stack([mine.astype(dtype) @ part for part in (_by_sign(w) if layout.inhibitory else (w,))])


def add(layout: Layout, ring: Any, values: Any, first: Any, table: Table) -> Any:
    """`ring` with `sums` of the steps `first` ... added."""
    start = first + table.delay[0].astype(jnp.int32)
    for k in range(values.shape[0]):
        ring = _add(ring, layout.low + k * layout.inhibitory, values[k], start)
    return ring


def _by_sign(w: Any) -> tuple[Any, Any]:
    return jnp.where(w < 0, 0.0, w), jnp.where(w < 0, w, 0.0)


def _add(ring: Any, column: int, values: Any, first: Any) -> Any:
    """`ring` with `values` (L, n) added to the slots of the steps `first` ..., from `column` on."""
    for lag in range(values.shape[0]):
        ring = ring_row.add(ring, values[lag], (first + lag) % ring.shape[0], column)
    return ring


def pull(layout: Layout, ring: Any, n_rows: int, first: Any, table: Table) -> Any:
    """What spikes of the steps `first` ... and their followers a step later meet in `ring`: (n_rows + 1, 1 or 2, targets), the second for
    weights below 0 where these have a channel of their own."""
    slots = (first + table.delay[0].astype(jnp.int32) + jnp.arange(n_rows + 1, dtype=jnp.int32)) % ring.shape[0]
    lows = [layout.low, *([layout.low + layout.inhibitory] if layout.inhibitory else [])]
    return jnp.stack([ring[slots, low : low + layout.matrix] for low in lows], axis=1)


def to_spikes(met: Any, weight: Any, late: Any) -> Any:
    """The derivative (L, sources) with respect to amplitudes, of which the part `late` meets the row after; matrices."""
    out: Any = 0.0
    for k, w in enumerate(_by_sign(weight) if met.shape[1] == 2 else (weight,)):
        now, after = met[:-1, k], met[1:, k]
        out = out + (now @ w.T if late is None else now @ (w * (1.0 - late)).T + after @ (w * late).T)
    return out


def to_weights(met: Any, amplitude: Any, weight: Any) -> Any:
    """For each pair the sum of amplitude (L, sources) times what it met (L, channels, targets): (sources, targets)."""
    sums = [amplitude.T @ met[:, k] for k in range(met.shape[1])]
    return sums[0] if len(sums) == 1 else jnp.where(weight < 0, sums[1], sums[0])
