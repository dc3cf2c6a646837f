"""Delivery along connections that change: the synapse's rule runs where a presynaptic spike is delivered.

Both lowerings call the same element-wise rules (`jaxnest.synapses`). The event lowering visits the rows of sources that
spiked; before a synapse sees a presynaptic spike, it is brought up to date with the postsynaptic spikes that have
reached it, read from the `Log`. When a log is nearly full, all synapses are brought up to date, so no spike is lost.
The dense lowering visits every synapse in every step; it is differentiable in both modes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events.compact import nth, pack
from jaxnest.events.deliver import Layout, Table
from jaxnest.events.history import Log, Window
from jaxnest.synapses._base import Post, Pre, Synapse


class Plastic(NamedTuple):
    """The changing part of a table: `synapse` states (n,); `last` (n_sources,) stamp of each source's last spike
    (0 before the first); `done`: the stamp up to which every synapse has used the postsynaptic spikes."""

    synapse: Values
    last: Any
    done: Any


class Trail(NamedTuple):
    """Events of a weight recorder: step, connection, weight; `count` so far. Room is the caller's care."""

    step: Any
    connection: Any
    weight: Any
    count: Any


class Rule(NamedTuple):
    """What is static of a plastic table: the synapse `model`, the table's `layout`, and the random numbers
    ``uniform(step, connection)``. `first_column` is where the input channels of the `n_post` neurons start;
    `counts_events`: the target ignores weights (relay neurons)."""

    model: type[Synapse]
    layout: Layout
    uniform: Callable[[Any, Any], Any] | None
    first_column: int
    n_post: int
    counts_events: bool = False

    def post(self, column: Any) -> Any:
        """The postsynaptic neuron that a ring column belongs to; each has one column in every channel."""
        return (column - self.first_column) % self.n_post

    def amplitude(self, weight: Any) -> Any:
        """What the ring buffer receives for one event."""
        return jnp.ones_like(weight) if self.counts_events else weight


def deliver_events(
    rule: Rule,
    ring: Any,
    plastic: Plastic,
    spikes: Any,
    p: Values,
    first: Any,
    table: Table,
    log: Log | None,
    rate: Any,
    h: Any,
    trail: Trail | None,
) -> tuple[Any, Plastic, Trail | None]:
    """Deliver `spikes` (L, n_sources) of the steps `first` ... along the rows of the sources that spiked.

    `p`: parameters of the synapses, each (n,) or (1,); `rate` = h / tau_minus of the postsynaptic neurons. A spike of
    multiplicity m is delivered m times.
    """
    slots, columns = ring.shape
    n_sources = spikes.shape[1]
    width = rule.layout.width
    packed = pack((spikes != 0).ravel())
    repeats = jnp.round(jnp.abs(spikes)).astype(jnp.int32).ravel()
    last_start = table.target.shape[0] - width
    lanes = jnp.arange(width, dtype=jnp.int32)

    def row_block(carry: Any) -> Any:
        k, repeat, block, flat, plastic, trail = carry
        event = nth(packed, k)
        lag, source = event // n_sources, event % n_sources
        step = first + lag
        begin, end = table.row_ptr[source] + block * width, table.row_ptr[source + 1]
        start = jnp.minimum(begin, last_start)
        inside = (start + lanes >= begin) & (start + lanes < end)
        take = _taker(start, width)
        column, delay = take(table.target), take(table.delay).astype(jnp.int32)
        s, q = jax.tree.map(take, plastic.synapse), jax.tree.map(take, p)
        last = plastic.last[source]
        since_last = ((step + 1 - last) * h).astype(flat.dtype)
        K_minus = K_triplet = None
        if rule.model.reads_post:
            post = rule.post(column)
            upto = step + 1 - delay
            s, K_minus, K_triplet = _catch_up(
                rule, s, q, log, post, jnp.maximum(last, plastic.done) - delay, upto, delay - last, inside, h, rate
            )
        uniform = rule.uniform(step, start + lanes) if rule.uniform else None
        new, weight = rule.model.on_pre(q, s, Pre(since_last, last == 0, K_minus, K_triplet, uniform))
        synapse = jax.tree.map(
            lambda whole, b, a: lax.dynamic_update_slice(whole, jnp.where(inside, b, a), (start,)),
            plastic.synapse,
            new,
            jax.tree.map(take, plastic.synapse),
        )
        value = rule.amplitude(weight)
        slot = (step + delay) % slots
        if rule.layout.inhibitory:
            column = column + jnp.where(value < 0, rule.layout.inhibitory, 0)
        index = jnp.where(inside, slot * columns + column, 0)
        flat = flat.at[index].add(jnp.where(inside, value, 0.0).astype(flat.dtype), mode="promise_in_bounds")
        if trail is not None:
            trail = _append(trail, step, start + lanes, weight, inside)
        ended = begin + width >= end
        again = ended & (repeat + 1 < repeats[event])
        plastic = plastic._replace(
            synapse=synapse, last=plastic.last.at[source].set(jnp.where(ended, step + 1, last))
        )
        return (
            jnp.where(ended & ~again, k + 1, k),
            jnp.where(ended, jnp.where(again, repeat + 1, 0), repeat),
            jnp.where(ended, 0, block + 1),
            flat,
            plastic,
            trail,
        )

    zero = jnp.int32(0)
    carry = (zero, zero, zero, ring.ravel(), plastic, trail)
    _, _, _, flat, plastic, trail = lax.while_loop(lambda c: c[0] < packed.total, row_block, carry)
    return flat.reshape(ring.shape), plastic, trail


def bring_up_to_date(
    rule: Rule, plastic: Plastic, p: Values, now: Any, table: Table, log: Log, rate: Any, h: Any
) -> Plastic:
    """Let every synapse use the postsynaptic spikes that have reached it by the stamp `now`."""
    width = rule.layout.width
    n_sources = table.row_ptr.shape[0] - 1
    last_start = table.target.shape[0] - width
    lanes = jnp.arange(width, dtype=jnp.int32)

    def row_block(carry: Any) -> Any:
        source, block, synapse = carry
        begin, end = table.row_ptr[source] + block * width, table.row_ptr[source + 1]
        start = jnp.minimum(begin, last_start)
        inside = (start + lanes >= begin) & (start + lanes < end)
        take = _taker(start, width)
        delay = take(table.delay).astype(jnp.int32)
        old = jax.tree.map(take, synapse)
        last = plastic.last[source]
        lower = jnp.maximum(last, plastic.done) - delay
        post = rule.post(take(table.target))
        q = jax.tree.map(take, p)
        new, _, _ = _catch_up(rule, old, q, log, post, lower, now - delay, delay - last, inside, h, rate)
        synapse = jax.tree.map(
            lambda whole, b, a: lax.dynamic_update_slice(whole, jnp.where(inside, b, a), (start,)), synapse, new, old
        )
        ended = begin + width >= end
        return jnp.where(ended, source + 1, source), jnp.where(ended, 0, block + 1), synapse

    zero = jnp.int32(0)
    _, _, synapse = lax.while_loop(lambda c: c[0] < n_sources, row_block, (zero, zero, plastic.synapse))
    return plastic._replace(synapse=synapse, done=now)


def deliver_dense(
    rule: Rule,
    ring: Any,
    plastic: Plastic,
    spikes: Any,
    p: Values,
    first: Any,
    table: Table,
    window: Window | None,
    h: Any,
) -> tuple[Any, Plastic]:
    """Deliver `spikes` (L, n_sources) visiting every synapse in every step. A multiplicity counts as one event of
    that many times the weight."""
    table = table.with_source()
    delay = table.delay.astype(jnp.int32)
    post = rule.post(table.target)
    connection = jnp.arange(table.target.shape[0], dtype=jnp.int32)

    def one_step(carry: tuple[Any, Plastic], lag: Any) -> tuple[tuple[Any, Plastic], None]:
        ring, plastic = carry
        stamp = first + lag + 1
        spike = spikes[lag]
        s = plastic.synapse
        since_last = ((stamp - plastic.last[table.source]) * h).astype(ring.dtype)
        K_minus = K_triplet = None
        if rule.model.reads_post:
            assert window is not None
            row = (stamp - delay) % window.spiked.shape[0]
            K_minus, K_triplet = window.K[row, post], window.K_triplet[row, post]
            arrived = window.spiked[row, post] != 0
            new = rule.model.on_post(p, s, Post(since_last, K_triplet))
            s = jax.tree.map(lambda b, a: jnp.where(arrived, b, a), new, s)
        uniform = rule.uniform(stamp - 1, connection) if rule.uniform else None
        first_spike = plastic.last[table.source] == 0
        new, weight = rule.model.on_pre(p, s, Pre(since_last, first_spike, K_minus, K_triplet, uniform))
        amplitude = spike[table.source]
        s = jax.tree.map(lambda b, a: jnp.where(amplitude != 0, b, a), new, s)
        value = rule.amplitude(weight)
        column = table.target + jnp.where(value < 0, rule.layout.inhibitory, 0)
        slot = (stamp - 1 + delay) % ring.shape[0]
        ring = ring.at[slot, column].add((value * amplitude).astype(ring.dtype))
        last = jnp.where(spike != 0, stamp, plastic.last)
        return (ring, Plastic(s, last, plastic.done)), None

    lags = jnp.arange(spikes.shape[0], dtype=jnp.int32)
    return lax.scan(one_step, (ring, plastic), lags)[0]


def _catch_up(
    rule: Rule,
    s: Values,
    p: Values,
    log: Log | None,
    post: Any,
    after: Any,
    upto: Any,
    offset: Any,
    inside: Any,
    h: Any,
    rate: Any,
) -> tuple[Values, Any, Any]:
    """Apply `on_post` for the postsynaptic spikes with stamps in (after, upto]; return the states and the traces of
    the spikes strictly before `upto`. `offset` turns a stamp into the steps since the last presynaptic spike."""
    assert log is not None
    length, n = log.stamp.shape
    count = log.count[post]
    flat_stamp, flat_K, flat_K_triplet = log.stamp.ravel(), log.K.ravel(), log.K_triplet.ravel()

    def entry(back: Any) -> tuple[Any, Any]:
        """Place in the log of the spike that is `back` before the last, and whether there is one."""
        index = count - 1 - back
        return (index % length) * n + post, (index >= 0) & inside

    def count_while(back: Any, holds: Callable[[Any], Any]) -> Any:
        def more(c: Any) -> Any:
            return c[1].any()

        def advance(c: Any) -> Any:
            back = jnp.where(c[1], c[0] + 1, c[0])
            place, there = entry(back)
            return back, c[1] & there & holds(flat_stamp[place])

        place, there = entry(back)
        return lax.while_loop(more, advance, (back, there & holds(flat_stamp[place])))[0]

    later = count_while(jnp.zeros_like(post), lambda stamp: stamp > upto)
    earlier = count_while(later, lambda stamp: stamp > after)
    pending = earlier - later

    def apply(c: Any) -> Any:
        j, s = c
        place, _ = entry(later + j)
        since_last = ((flat_stamp[place] + offset) * h).astype(flat_K.dtype)
        new = rule.model.on_post(p, s, Post(since_last, flat_K_triplet[place] - 1.0))
        return j - 1, jax.tree.map(lambda b, a: jnp.where(j < pending, b, a), new, s)

    _, s = lax.while_loop(lambda c: c[0] >= 0, apply, (jnp.max(jnp.where(inside, pending, 0)) - 1, s))

    place, there = entry(count_while(later, lambda stamp: stamp >= upto))
    steps = (upto - flat_stamp[place]).astype(flat_K.dtype)
    K = jnp.where(there, flat_K[place] * jnp.exp(-steps * _of(rate[0], post)), 0.0)
    K_triplet = jnp.where(there, flat_K_triplet[place] * jnp.exp(-steps * _of(rate[1], post)), 0.0)
    return s, K, K_triplet


def _taker(start: Any, width: int) -> Callable[[Any], Any]:
    return lambda x: x if x.shape[0] == 1 else lax.dynamic_slice(x, (start,), (width,))


def _of(value: Any, index: Any) -> Any:
    return value if value.shape[0] == 1 else value[index]


def _append(trail: Trail, step: Any, connection: Any, weight: Any, inside: Any) -> Trail:
    room = trail.step.shape[0] - 1  # the last place takes what is not inside
    place = jnp.where(inside, trail.count + jnp.cumsum(inside.astype(jnp.int32)) - 1, room)
    return Trail(
        trail.step.at[place].set(step),
        trail.connection.at[place].set(connection),
        trail.weight.at[place].set(weight),
        trail.count + jnp.sum(inside, dtype=jnp.int32),
    )
