"""Delivery along connections that change: the synapse's rule runs where a presynaptic spike is delivered.

Both lowerings call the same element-wise rules (`jaxnest.synapses`). The event lowering visits the rows of sources that
spiked; before a synapse sees a presynaptic spike, it is brought up to date with the postsynaptic spikes that have
reached it, read from the `Log`. When a log is nearly full, all synapses are brought up to date, so no spike is lost.
The dense lowering visits every synapse in every step; it is differentiable in reverse mode.
In both, a spike of multiplicity m is m spikes at one time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events import random
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
    """What is static of a plastic table: the synapse `model`, the table's `layout`, and the `stream` of its random
    numbers. `first_column` is where the input channels of the `n_post` neurons start;
    `counts_events`: the target ignores weights (relay neurons). `pre_repeats`, `post_repeats`: whether the spikes of
    sources and of targets may have multiplicities."""

    model: type[Synapse]
    layout: Layout
    stream: int
    first_column: int
    n_post: int
    counts_events: bool
    pre_repeats: bool
    post_repeats: bool

    def post(self, column: Any) -> Any:
        """The postsynaptic neuron that a ring column belongs to; each has one column in every channel."""
        return (column - self.first_column) % self.n_post

    def send(self, p: Values, s: Values, pre: Pre) -> tuple[Values, Any, Any, Any]:
        """A presynaptic spike at each synapse: the new states, the weight that the event carries, what the ring buffer
        receives, and whether the spike is passed on."""
        new, weight = self.model.on_pre(p, s, pre)
        passed = self.model.transmits(p, pre)
        amplitude = jnp.ones_like(weight) if self.counts_events else weight
        if passed is None:
            return new, weight, amplitude, True
        return new, weight, amplitude * passed, passed != 0

    def uniform(self, key: Any, step: Any, connection: Any, repeat: Any) -> Any:
        """The random numbers of the `repeat`-th spike of a step, None for a model without."""
        return random.uniform(key, self.stream, step, connection, repeat) if self.model.stochastic else None


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
    key: Any,
    trail: Trail | None,
) -> tuple[Any, Plastic, Trail | None]:
    """Deliver `spikes` (L, n_sources) of the steps `first` ... along the rows of the sources that spiked.

    `p`: parameters of the synapses, each (n,) or (1,); `rate` = h / tau_minus of the postsynaptic neurons; `key` of the
    random numbers.
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
        old, q = jax.tree.map(take, plastic.synapse), jax.tree.map(take, p)
        s, last = old, plastic.last[source]
        since_last = ((step + 1 - last) * h).astype(flat.dtype)
        K_minus = K_triplet = None
        if rule.model.reads_post:
            upto = step + 1 - delay
            s, K_minus, K_triplet = _catch_up(
                rule,
                s,
                q,
                log,
                rule.post(column),
                jnp.maximum(last, plastic.done) - delay,
                upto,
                delay - last,
                inside,
                h,
                rate,
            )
        uniform = rule.uniform(key, step, start + lanes, repeat)
        new, weight, value, passed = rule.send(q, s, Pre(since_last, last == 0, K_minus, K_triplet, uniform))
        synapse = jax.tree.map(
            lambda whole, b, a: lax.dynamic_update_slice(whole, jnp.where(inside, b, a), (start,)),
            plastic.synapse,
            new,
            old,
        )
        slot = (step + delay) % slots
        if rule.layout.inhibitory:
            column = column + jnp.where(weight < 0, rule.layout.inhibitory, 0)
        index = jnp.where(inside, slot * columns + column, 0)
        flat = flat.at[index].add(jnp.where(inside, value, 0.0).astype(flat.dtype), mode="promise_in_bounds")
        if trail is not None:
            trail = _append(trail, step, start + lanes, weight, inside & passed)
        ended = begin + width >= end
        again = ended & (repeat + 1 < repeats[event])
        plastic = plastic._replace(synapse=synapse, last=plastic.last.at[source].set(jnp.where(ended, step + 1, last)))
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


def bring_up_to_date(rule: Rule, plastic: Plastic, p: Values, now: Any, table: Table, log: Log, rate: Any, h: Any) -> Plastic:
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
    key: Any,
    trail: Trail | None,
) -> tuple[Any, Plastic, Trail | None]:
    """Deliver `spikes` (L, n_sources) of the steps `first` ... visiting every synapse in every step."""
    table = table.with_source()
    delay = table.delay.astype(jnp.int32)
    post = rule.post(table.target)
    connection = jnp.arange(table.target.shape[0], dtype=jnp.int32)

    def one_step(carry: Any, lag: Any) -> tuple[Any, None]:
        ring, plastic, trail = carry
        stamp = first + lag + 1
        amplitude = spikes[lag][table.source]
        s, last = plastic.synapse, plastic.last[table.source]
        since_last = ((stamp - last) * h).astype(ring.dtype)
        K_minus = K_triplet = None
        if rule.model.reads_post:
            assert window is not None
            row = (stamp - delay) % window.spiked.shape[0]
            K_minus, K_triplet = window.K[row, post], window.K_triplet[row, post]
            arrived = jnp.round(jnp.abs(window.spiked[row, post])).astype(jnp.int32)
            if rule.post_repeats:
                s = _repeated(partial(_post_again, rule), arrived, 0, (p, since_last, K_triplet), (arrived,), s)
            else:
                s = _where(arrived > 0, rule.model.on_post(p, s, Post(since_last, K_triplet)), s)
        uniform = rule.uniform(key, stamp - 1, connection, 0)
        new, weight, value, passed = rule.send(p, s, Pre(since_last, last == 0, K_minus, K_triplet, uniform))
        s = _where(amplitude != 0, new, s)
        if trail is not None:
            trail = _append(trail, stamp - 1, connection, weight, (amplitude != 0) & passed)
        total = value * amplitude
        if rule.pre_repeats:
            times = jnp.round(jnp.abs(amplitude)).astype(jnp.int32)
            reals, whole = (p, since_last, K_minus, K_triplet, value), (times, stamp - 1, connection, key)
            s, more, trail = _repeated(partial(_pre_again, rule), times, 1, reals, whole, (s, jnp.zeros_like(total), trail))
            total = total + more
        column = table.target + jnp.where(weight < 0, rule.layout.inhibitory, 0)
        ring = ring.at[(stamp - 1 + delay) % ring.shape[0], column].add(total.astype(ring.dtype))
        return (ring, Plastic(s, jnp.where(spikes[lag] != 0, stamp, plastic.last), plastic.done), trail), None

    lags = jnp.arange(spikes.shape[0], dtype=jnp.int32)
    return lax.scan(one_step, (ring, plastic, trail), lags)[0]


def _post_again(rule: Rule, r: Any, reals: Any, whole: Any, s: Values) -> Values:
    """The postsynaptic spike number `r` of several at one time."""
    (p, since_last, K_triplet), (times,) = reals, whole
    return _where(r < times, rule.model.on_post(p, s, Post(since_last, K_triplet + r)), s)


def _pre_again(rule: Rule, r: Any, reals: Any, whole: Any, carry: Any) -> Any:
    """The presynaptic spike number `r` >= 1 of several at one time; what it sends beyond the first is summed up."""
    (p, since_last, K_minus, K_triplet, value), (times, step, connection, key) = reals, whole
    s, more, trail = carry
    uniform = rule.uniform(key, step, connection, r)
    pre = Pre(jnp.zeros_like(since_last), jnp.zeros(1, bool), K_minus, K_triplet, uniform)
    new, weight, again, passed = rule.send(p, s, pre)
    if trail is not None:
        trail = _append(trail, step, connection, weight, (r < times) & passed)
    return _where(r < times, new, s), more + jnp.where(r < times, again - value, 0.0), trail


@partial(jax.custom_vjp, nondiff_argnums=(0, 2))
def _repeated(body: Callable[..., Any], times: Any, first: int, reals: Any, whole: Any, carry: Any) -> Any:
    """``carry = body(r, reals, whole, carry)`` for r = `first` ... up to the largest of `times`: a loop of traced length
    with a derivative, with respect to `reals` and `carry`."""
    return lax.fori_loop(first, jnp.max(times, initial=0), lambda r, c: body(r, reals, whole, c), carry)


def _repeated_fwd(body: Any, times: Any, first: int, reals: Any, whole: Any, carry: Any) -> tuple[Any, Any]:
    return _repeated(body, times, first, reals, whole, carry), (times, reals, whole, carry)


def _repeated_bwd(body: Any, first: int, kept: Any, cotangent: Any) -> tuple[Any, ...]:
    times, reals, whole, carry = kept
    end = jnp.maximum(jnp.max(times, initial=0), first)

    def back(i: Any, c: Any) -> Any:
        r = end - 1 - i
        before = lax.fori_loop(first, r, lambda j, x: body(j, reals, whole, x), carry)
        _, vjp = jax.vjp(lambda k, x: body(r, k, whole, x), reals, before)
        d_reals, d_carry = vjp(c[1])
        return jax.tree.map(jnp.add, c[0], d_reals), d_carry

    d_reals, d_carry = lax.fori_loop(0, end - first, back, (jax.tree.map(jnp.zeros_like, reals), cotangent))
    return None, d_reals, None, d_carry


_repeated.defvjp(_repeated_fwd, _repeated_bwd)


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
        j, r, s = c
        place, _ = entry(later + j)
        since_last = ((flat_stamp[place] + offset) * h).astype(flat_K.dtype)
        if not rule.post_repeats:
            new = rule.model.on_post(p, s, Post(since_last, flat_K_triplet[place] - 1.0))
            return j - 1, r, _where(j < pending, new, s)
        times = jnp.where(j < pending, log.times.ravel()[place], 0)
        new = rule.model.on_post(p, s, Post(since_last, flat_K_triplet[place] - times + r))
        again = r + 1 < jnp.max(times)
        return jnp.where(again, j, j - 1), jnp.where(again, r + 1, 0), _where(r < times, new, s)

    begin = jnp.max(jnp.where(inside, pending, 0)) - 1
    _, _, s = lax.while_loop(lambda c: c[0] >= 0, apply, (begin, jnp.zeros_like(begin), s))

    place, there = entry(count_while(later, lambda stamp: stamp >= upto))
    steps = (upto - flat_stamp[place]).astype(flat_K.dtype)
    K = jnp.where(there, flat_K[place] * jnp.exp(-steps * _of(rate[0], post)), 0.0)
    K_triplet = jnp.where(there, flat_K_triplet[place] * jnp.exp(-steps * _of(rate[1], post)), 0.0)
    return s, K, K_triplet


def _where(condition: Any, new: Values, old: Values) -> Values:
    return jax.tree.map(lambda b, a: jnp.where(condition, b, a), new, old)


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
