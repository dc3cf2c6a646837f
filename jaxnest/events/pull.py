"""The way back of events along static connections, for gradients with respect to the times of spikes.

Forward, the spikes of a slice are rows of amplitudes, and a connection whose delay is longer by the part `late` of a step
delivers (1 - late) of an event in one step and late of it in the next. Backward, `ring` holds the derivatives of a loss with
respect to what arrives in each slot. `pull` walks the rows of the sources that spiked once, and gives the derivative with respect to their
amplitudes, and, added up over slices, what derivatives with respect to weights and delays are made of (`Sums`). All this is linear
in the amplitudes, so work grows with spikes and out-degree, as forward. In C++ on the CPU (events/native/pull.cpp), else in XLA by the
sums of events/bilinear.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxnest.events import bilinear, matrix
from jaxnest.events.deliver import Layout, Table, deliver
from jaxnest.events.native.call import in_place


class Sums(NamedTuple):
    """For each connection the sum over its events of amplitude times what the event met in its slot (`now`), and in the
    slot after (`next`, empty where delays are not learned). (n,), or (1,) where weight and delay are shared by all."""

    now: Any
    next: Any

    @classmethod
    def zeros(cls, weight: Any, late: Any, dtype: Any) -> Sums:
        shape = jnp.shape(weight) if late is None else jnp.broadcast_shapes(jnp.shape(weight), jnp.shape(late))
        return cls(jnp.zeros(shape, dtype), jnp.zeros(0 if late is None else shape, dtype))

    def derivatives(self, weight: Any, late: Any) -> tuple[Any, Any]:
        """The derivatives with respect to `weight` and `late`, in their shapes."""
        if late is None:
            return _summed(self.now, weight), None
        to_weight = self.now + late * (self.next - self.now)
        return _summed(to_weight, weight), _summed(weight * (self.next - self.now), late)


def push(ring: Any, amplitude: Any, weight: Any, late: Any, first: Any, table: Table, layout: Layout, native: bool) -> Any:
    """`ring` with the events of `amplitude` (L, n_sources), of the steps `first` ..., of which the part `late` comes a step later."""
    if late is None:
        return deliver(ring, amplitude, weight, first, table, layout, dense=False, native=native)
    if native and not layout.matrix:
        given = (amplitude, weight.astype(ring.dtype), late.astype(ring.dtype), jnp.asarray(first, jnp.int32), *table)
        static = {**_static(layout), "low": layout.low, "high": layout.high}
        return in_place("push", given, (ring,), **static)[0]
    for part, start in ((weight * (1.0 - late), first), (weight * late, first + 1)):
        ring = deliver(ring, amplitude, part, start, table, layout, dense=False, native=native)
    return ring


def pull(
    ring: Any,
    amplitude: Any,
    visits: Any,
    weight: Any,
    late: Any,
    first: Any,
    table: Table,
    layout: Layout,
    sums: Sums,
    native: bool,
) -> tuple[Any, Sums]:
    """The derivative (L, n_sources) with respect to `amplitude` where `visits` is not 0, and the new `sums`.

    `ring` (slots, columns): derivatives with respect to what arrives. Operands else as in `push`.
    """
    if native:
        empty = jnp.zeros(0, ring.dtype) if late is None else late.astype(ring.dtype)
        given = (ring, amplitude, visits, weight.astype(ring.dtype), empty, jnp.asarray(first, jnp.int32), *table)
        changed = (jnp.zeros_like(amplitude), *sums)
        to_amplitude, now, after = in_place("pull", given, changed, **_static(layout))
        return to_amplitude, Sums(now, after)
    weight = weight.astype(ring.dtype)
    sign = jnp.broadcast_to(jnp.where(weight < 0, -1.0, 1.0).astype(ring.dtype), table.target.shape)
    to_amplitude, parts = jnp.zeros_like(amplitude), []
    for k, share in enumerate((weight,) if late is None else (weight * (1.0 - late), weight * late)):
        more, met = bilinear.pull(ring, amplitude, share, sign, first + k, *table, layout, native)
        to_amplitude = to_amplitude + more
        parts.append(_summed(met, sums.now))
    after = sums.next if late is None else sums.next + parts[1]
    return jnp.where(visits != 0, to_amplitude, 0.0), Sums(sums.now + parts[0], after)


class Met(NamedTuple):
    """Of a table that is a matrix, what a slice adds to its `Sums`: they are made of many slices' at once, by one product.

    `amplitude` (L, sources), `ring` (L + 1, channels, targets)."""

    amplitude: Any
    ring: Any

    def sums(self, weight: Any, late: Any, layout: Layout, table: Table) -> Sums:
        """Of slices (n, …): the sums over all of them."""
        dtype = self.ring.dtype
        w = matrix.matrix(layout, weight, table, dtype)
        parts = []
        for rows in (self.ring[:, :-1], self.ring[:, 1:])[: 1 if late is None else 2]:
            met = rows.reshape(-1, *rows.shape[2:])
            parts.append(matrix.to_weights(met, self.amplitude.reshape(met.shape[0], -1), w).ravel())
        like = Sums.zeros(weight, late, dtype)
        return Sums(*(_summed(x, y) for x, y in zip([*parts, like.next][:2], like, strict=True)))


def pull_matrix(ring: Any, amplitude: Any, weight: Any, late: Any, first: Any, table: Table, layout: Layout) -> tuple[Any, Met]:
    """`pull` along a table that is a matrix: the derivative (L, n_sources) with respect to `amplitude`, and what `Sums` are made of."""
    w = matrix.matrix(layout, weight, table, ring.dtype)
    shares = None if late is None else matrix.matrix(layout, late, table, ring.dtype)
    met = matrix.pull(layout, ring, amplitude.shape[0], first, table)
    begin, end = layout.first_source, layout.first_source + w.shape[0]
    to_mine = matrix.to_spikes(met, w, shares)
    to_all = jnp.pad(to_mine, ((0, 0), (begin, amplitude.shape[1] - end)))
    return to_all, Met(amplitude[:, begin:end], met)


def _static(layout: Layout) -> dict[str, int]:
    return {"inhibitory": layout.inhibitory, "first_source": layout.first_source, "segments": layout.segments}


def _summed(x: Any, like: Any) -> Any:
    """`x`, or the sum of it where `like` is one value for all."""
    return x if jnp.shape(x) == jnp.shape(like) else jnp.sum(x, keepdims=True)
