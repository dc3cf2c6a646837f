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
from jaxnest.events.history import Log, Reader
from jaxnest.events.modulation import Modulations, with_modulator
from jaxnest.events.rule import Plastic, Rule, Trail, append, order_of, where
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
    modulator: Log | None = None,
) -> tuple[Any, Plastic, Trail | None]:
    """Deliver `spikes` (L, n_sources) of the steps `first` ... along the rows of the sources that spiked.

    `p`: parameters of the synapses, each (n,) or (1,); `rate` = h / tau_minus of the postsynaptic neurons; `key` of the
    random numbers; `modulator`: the log of what the synapses' transmitter received.
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
        traces: tuple[Any, ...] = ()
        if rule.model.reads_post:
            upto = step + 1 - delay
            s, *traces = _catch_up(  # type: ignore[assignment]
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
                _third(plastic, modulator, last, step + 1),
            )
        more = rule.randoms(key, step, start + lanes, repeat)
        if rule.model.reads_order:
            more["order"] = order_of(table, plastic.last, None, source, start + lanes, ((step + 1) * h).astype(flat.dtype))
        new, weight, value, passed = rule.send(q, s, Pre(since_last, last == 0, *traces, **more))
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


def bring_up_to_date(
    rule: Rule,
    plastic: Plastic,
    p: Values,
    now: Any,
    table: Table,
    log: Log,
    rate: Any,
    h: Any,
    modulator: Log | None = None,
) -> Plastic:
    """Let every synapse use the spikes, postsynaptic and of the modulator, that have reached it by the stamp `now`."""
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
        third = _third(plastic, modulator, last, now)
        new, *_ = _catch_up(rule, old, q, log, post, lower, now - delay, delay - last, inside, h, rate, third)
        synapse = jax.tree.map(
            lambda whole, b, a: lax.dynamic_update_slice(whole, jnp.where(inside, b, a), (start,)), synapse, new, old
        )
        ended = begin + width >= end
        return jnp.where(ended, source + 1, source), jnp.where(ended, 0, block + 1), synapse

    zero = jnp.int32(0)
    _, _, synapse = lax.while_loop(lambda c: c[0] < n_sources, row_block, (zero, zero, plastic.synapse))
    return plastic._replace(synapse=synapse, done=now, modulated=None if modulator is None else now)


def update(
    rule: Rule, plastic: Plastic, p: Values, now: Any, table: Table, log: Log, rate: Any, h: Any, modulator: Log
) -> Plastic:
    """The transmitter updates all synapses at the stamp `now`, which becomes that of their last update."""
    last = plastic.last[table.sources()]
    delay = jnp.broadcast_to(table.delay.astype(jnp.int32), last.shape)
    begin = jnp.maximum(last, plastic.done) - delay
    inside = jnp.ones(last.shape, bool)
    third = _third(plastic, modulator, last, now)
    s, *_ = _catch_up(
        rule, plastic.synapse, p, log, rule.post(table.target), begin, now - delay, delay - last, inside, h, rate, third
    )
    s = rule.model.on_update(p, s, ((now - last) * h).astype(log.K.dtype))
    return plastic._replace(synapse=s, last=jnp.full_like(plastic.last, now), modulated=now)


def _third(plastic: Plastic, modulator: Log | None, last: Any, now: Any) -> Modulations | None:
    if modulator is None:
        return None
    return Modulations(modulator, last, jnp.maximum(last, plastic.modulated), now)


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
    third: Modulations | None,
) -> tuple[Values, Any, Any, Any]:
    """Apply `on_post` for the postsynaptic spikes with stamps in (after, upto]; return the states and the traces of
    the spikes strictly before `upto`, and of the last of them alone. `offset` turns a stamp into the steps since the
    last presynaptic spike. With `third`, spikes of the modulator come between them."""
    assert log is not None
    reader = Reader(log, post, inside)
    flat_stamp, flat_K, flat_K_triplet = log.stamp.ravel(), log.K.ravel(), log.K_triplet.ravel()
    later, pending = reader.between(after, upto)

    def apply(c: Any) -> Any:
        j, r, s = c
        place, _ = reader.place(later + j)
        since_last = ((flat_stamp[place] + offset) * h).astype(flat_K.dtype)
        if not rule.post_repeats:
            new = rule.model.on_post(p, s, Post(since_last, flat_K_triplet[place] - 1.0))
            return j - 1, r, where(j < pending, new, s)
        times = jnp.where(j < pending, log.times.ravel()[place], 0)
        new = rule.model.on_post(p, s, Post(since_last, flat_K_triplet[place] - times + r))
        again = r + 1 < jnp.max(times)
        return jnp.where(again, j, j - 1), jnp.where(again, r + 1, 0), where(r < times, new, s)

    if third is None:
        begin = jnp.max(jnp.where(inside, pending, 0)) - 1
        _, _, s = lax.while_loop(lambda c: c[0] >= 0, apply, (begin, jnp.zeros_like(begin), s))
    else:
        s = with_modulator(rule, s, p, reader, later, pending, offset, third, h)

    place, there = reader.place(reader.count_while(later, lambda stamp: stamp >= upto))
    steps = (upto - flat_stamp[place]).astype(flat_K.dtype)
    nearest = jnp.where(there, jnp.exp(-steps * _of(rate[0], post)), 0.0)
    K = jnp.where(there, flat_K[place] * nearest, 0.0)
    K_triplet = jnp.where(there, flat_K_triplet[place] * jnp.exp(-steps * _of(rate[1], post)), 0.0)
    return s, K, K_triplet, nearest


def _taker(start: Any, width: int) -> Callable[[Any], Any]:
    return lambda x: x if x.shape[0] == 1 else lax.dynamic_slice(x, (start,), (width,))


def _of(value: Any, index: Any) -> Any:
    return value if value.shape[0] == 1 else value[index]
