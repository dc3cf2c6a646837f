"""What plastic synapses know of their postsynaptic neurons: spike times and traces, in one of two forms.

`Log` serves the event lowering: the last spikes of each neuron with the traces just after each, the last one first.
`Window` serves the dense lowering: for each of the last steps, whether the neuron spiked at its right edge, and the
traces of the spikes strictly before.

Stamps are right edges of steps: a spike in step n has the stamp n + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxnest.events.compact import nth, pack
from jaxnest.events.native.call import choose, in_place

#: a stamp before all others
NEVER = -(1 << 30)


class Traces(NamedTuple):
    """The traces of N neurons just after their last spike, and its stamp (-1 before the first)."""

    K: Any
    K_triplet: Any
    stamp: Any

    @staticmethod
    def zeros(n: int, dtype: Any) -> Traces:
        return Traces(jnp.zeros(n, dtype), jnp.zeros(n, dtype), jnp.full(n, -1, jnp.int32))

    def at(self, stamp: Any, rate: Any, rate_triplet: Any) -> tuple[Any, Any]:
        """Both traces decayed to `stamp`; the rates are in 1 / step."""
        steps = (stamp - self.stamp).astype(self.K.dtype)
        return self.K * jnp.exp(-steps * rate), self.K_triplet * jnp.exp(-steps * rate_triplet)


class Log(NamedTuple):
    """The last H spikes of N neurons, (N, H), the last one first: stamps (`NEVER` where there is none) and traces just
    after; `count` (N,) spikes so far, `consumed` (N,) of which every synapse has used. `times` (N, H): their
    multiplicities, None where all are 1."""

    stamp: Any
    K: Any
    K_triplet: Any
    count: Any
    consumed: Any
    times: Any

    @staticmethod
    def zeros(length: int, n: int, dtype: Any, multiple: bool) -> Log:
        shape = (n, length)
        none = jnp.zeros(n, jnp.int32)
        times = jnp.zeros(shape, jnp.int32) if multiple else None
        return Log(jnp.full(shape, NEVER, jnp.int32), jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), none, none, times)


class Reader(NamedTuple):
    """Reads the spikes of a neuron of a log, backwards, for each of several synapses (n,); for those not `inside`, none."""

    log: Log
    neuron: Any
    inside: Any

    def place(self, back: Any) -> tuple[Any, Any]:
        """Place in the log of the spike that is `back` before the last, and whether there is one."""
        length = self.log.stamp.shape[1]
        place = self.neuron * length + jnp.minimum(back, length - 1)
        return place, (back < length) & (self.log.stamp.ravel()[place] != NEVER) & self.inside

    def count_while(self, back: Any, holds: Callable[[Any], Any]) -> Any:
        """From the spike `back` before the last on, the first whose stamp is not such that it `holds`."""
        stamps = self.log.stamp.ravel()

        def more(c: Any) -> Any:
            return c[1].any()

        def advance(c: Any) -> Any:
            back = jnp.where(c[1], c[0] + 1, c[0])
            place, there = self.place(back)
            return back, c[1] & there & holds(stamps[place])

        place, there = self.place(back)
        return lax.while_loop(more, advance, (back, there & holds(stamps[place])))[0]

    def between(self, after: Any, upto: Any) -> tuple[Any, Any]:
        """How many spikes are later than `upto`, and how many have stamps in (after, upto]."""
        later = self.count_while(jnp.zeros_like(self.neuron), lambda stamp: stamp > upto)
        return later, self.count_while(later, lambda stamp: stamp > after) - later


class Window(NamedTuple):
    """Of each stamp T, in row T % H: `spiked` (H, N), the number of spikes, the traces of the spikes before T, and of the
    last of them alone; `now` the running ones."""

    spiked: Any
    K: Any
    K_triplet: Any
    nearest: Any
    now: Traces

    @staticmethod
    def zeros(length: int, n: int, dtype: Any) -> Window:
        empty = jnp.zeros((length, n), dtype)
        return Window(empty, empty, empty, empty, Traces.zeros(n, dtype))


def log_spikes(log: Log, spikes: Any, first: Any, rate: Any, rate_triplet: Any, native: bool = False) -> Log:
    """Enter the spikes (L, N) of the steps `first` ...; `rate` = h / tau_minus, (N,) or (1,).

    With `native`, in C++ on the CPU, and in XLA elsewhere.
    """
    operands = (log, spikes, jnp.asarray(first, jnp.int32), rate, rate_triplet)
    return choose(_log_in_cpp, _log_in_xla, *operands) if native else _log_in_xla(*operands)


def _log_in_cpp(log: Log, spikes: Any, first: Any, rate: Any, rate_triplet: Any) -> Log:
    dtype = log.K.dtype
    changed = [log.stamp, log.K, log.K_triplet, log.count, *([] if log.times is None else [log.times])]
    given = [spikes.astype(dtype), first, rate.astype(dtype), rate_triplet.astype(dtype)]
    stamp, K, K_triplet, count, *times = in_place("log_spikes", given, changed)
    return Log(stamp, K, K_triplet, count, log.consumed, times[0] if times else None)


def _log_in_xla(log: Log, spikes: Any, first: Any, rate: Any, rate_triplet: Any) -> Log:
    n = spikes.shape[1]
    packed = pack((spikes != 0).ravel())
    amplitude = spikes.ravel()
    rates = jnp.broadcast_to(rate, (n,)), jnp.broadcast_to(rate_triplet, (n,))

    def append(carry: tuple[Any, Log]) -> tuple[Any, Log]:
        k, log = carry
        event = nth(packed, k)
        lag, i = event // n, event % n
        stamp = first + lag + 1
        seen = log.count[i] > 0
        steps = (stamp - log.stamp[i, 0]).astype(log.K.dtype)
        m = amplitude[event] if log.times is not None else 1.0
        K = jnp.where(seen, log.K[i, 0] * jnp.exp(-steps * rates[0][i]), 0.0) + m
        K_triplet = jnp.where(seen, log.K_triplet[i, 0] * jnp.exp(-steps * rates[1][i]), 0.0) + m
        if log.times is not None:
            log = log._replace(times=_put_first(log.times, i, jnp.round(m)))
        return k + 1, log._replace(
            stamp=_put_first(log.stamp, i, stamp),
            K=_put_first(log.K, i, K),
            K_triplet=_put_first(log.K_triplet, i, K_triplet),
            count=log.count.at[i].add(1),
        )

    return lax.while_loop(lambda c: c[0] < packed.total, append, (jnp.int32(0), log))[1]


def _put_first(x: Any, i: Any, value: Any) -> Any:
    """Row `i` moves on by one place, and `value` goes first."""
    return x.at[i].set(jnp.roll(x[i], 1).at[0].set(value.astype(x.dtype)))


def watch_spikes(window: Window, spikes: Any, first: Any, rate: Any, rate_triplet: Any) -> Window:
    """Enter the spikes (L, N) of the steps `first` ... into the window."""
    length = window.spiked.shape[0]

    def enter(window: Window, now: tuple[Any, Any]) -> tuple[Window, None]:
        lag, spike = now
        stamp = first + lag + 1
        K, K_triplet = window.now.at(stamp, rate, rate_triplet)
        steps = (stamp - window.now.stamp).astype(K.dtype)
        nearest = jnp.where(window.now.stamp > 0, jnp.exp(-steps * rate), 0.0)
        row = stamp % length
        hit = spike != 0
        return Window(
            window.spiked.at[row].set(spike),
            window.K.at[row].set(K),
            window.K_triplet.at[row].set(K_triplet),
            window.nearest.at[row].set(nearest),
            Traces(
                jnp.where(hit, K + spike, window.now.K),
                jnp.where(hit, K_triplet + spike, window.now.K_triplet),
                jnp.where(hit, stamp, window.now.stamp),
            ),
        ), None

    return lax.scan(enter, window, (jnp.arange(spikes.shape[0], dtype=jnp.int32), spikes))[0]
