"""The event lowering of plastic tables in XLA: blocks of the rows of sources that spiked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events.compact import nth, pack
from jaxnest.events.deliver import Table
from jaxnest.events.history import NEVER, Log
from jaxnest.events.rule import Plastic, Rule, Trail, append, where
from jaxnest.synapses._base import Post, Pre


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
            trail = append(trail, step, start + lanes, weight, inside & passed)
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
    length = log.stamp.shape[1]
    flat_stamp, flat_K, flat_K_triplet = log.stamp.ravel(), log.K.ravel(), log.K_triplet.ravel()

    def entry(back: Any) -> tuple[Any, Any]:
        """Place in the log of the spike that is `back` before the last, and whether there is one."""
        place = post * length + jnp.minimum(back, length - 1)
        return place, (back < length) & (flat_stamp[place] != NEVER) & inside

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
            return j - 1, r, where(j < pending, new, s)
        times = jnp.where(j < pending, log.times.ravel()[place], 0)
        new = rule.model.on_post(p, s, Post(since_last, flat_K_triplet[place] - times + r))
        again = r + 1 < jnp.max(times)
        return jnp.where(again, j, j - 1), jnp.where(again, r + 1, 0), where(r < times, new, s)

    begin = jnp.max(jnp.where(inside, pending, 0)) - 1
    _, _, s = lax.while_loop(lambda c: c[0] >= 0, apply, (begin, jnp.zeros_like(begin), s))

    place, there = entry(count_while(later, lambda stamp: stamp >= upto))
    steps = (upto - flat_stamp[place]).astype(flat_K.dtype)
    K = jnp.where(there, flat_K[place] * jnp.exp(-steps * _of(rate[0], post)), 0.0)
    K_triplet = jnp.where(there, flat_K_triplet[place] * jnp.exp(-steps * _of(rate[1], post)), 0.0)
    return s, K, K_triplet


def _taker(start: Any, width: int) -> Callable[[Any], Any]:
    return lambda x: x if x.shape[0] == 1 else lax.dynamic_slice(x, (start,), (width,))


def _of(value: Any, index: Any) -> Any:
    return value if value.shape[0] == 1 else value[index]
