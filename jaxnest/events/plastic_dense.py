"""The dense lowering of plastic tables: every synapse in every step; differentiable in reverse mode."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events.deliver import Table
from jaxnest.events.history import Window
from jaxnest.events.rule import Plastic, Rule, Trail, append, order_of, where
from jaxnest.synapses._base import Modulation, Post, Pre


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
    modulator: Any = None,
) -> tuple[Any, Plastic, Trail | None]:
    """Deliver `spikes` (L, n_sources) of the steps `first` ... visiting every synapse in every step. `modulator` (L,): the
    numbers of spikes that the synapses' transmitter received."""
    source = table.sources()
    delay = table.delay.astype(jnp.int32)
    connection = jnp.arange(table.target.shape[0], dtype=jnp.int32)

    def one_step(carry: Any, lag: Any) -> tuple[Any, None]:
        ring, plastic, trail = carry
        stamp = first + lag + 1
        amplitude = spikes[lag][source]
        s, last = plastic.synapse, plastic.last[source]
        since_last = ((stamp - last) * h).astype(ring.dtype)
        traces: tuple[Any, ...] = (None, None, None)
        if rule.model.reads_post:
            count = None if modulator is None else jnp.where(stamp > plastic.modulated, modulator[lag], 0)
            s, traces = _arrivals(rule, s, p, stamp, since_last, table, window, count)
        order = None
        if rule.model.reads_order:
            time = jnp.asarray(stamp * h, ring.dtype)
            order = order_of(table, plastic.last, spikes[lag] != 0, source, connection, time)
            order = jax.tree.map(lambda x: x.astype(ring.dtype), order)
        known = {**rule.randoms(key, stamp - 1, connection, 0), "order": order}
        new, weight, value, passed = rule.send(p, s, Pre(since_last, last == 0, *traces, **known))
        s = where(amplitude != 0, new, s)
        if trail is not None:
            trail = append(trail, stamp - 1, connection, weight, (amplitude != 0) & passed)
        total = value * amplitude
        if rule.pre_repeats:
            times = jnp.round(jnp.abs(amplitude)).astype(jnp.int32)
            reals, whole = (p, since_last, traces, order, value), (times, stamp - 1, connection, key)
            s, more, trail = _repeated(partial(_pre_again, rule), times, 1, reals, whole, (s, jnp.zeros_like(total), trail))
            total = total + more
        column = table.target + jnp.where(weight < 0, rule.layout.inhibitory, 0)
        ring = ring.at[(stamp - 1 + delay) % ring.shape[0], column].add(total.astype(ring.dtype))
        return (ring, plastic._replace(synapse=s, last=jnp.where(spikes[lag] != 0, stamp, plastic.last)), trail), None

    lags = jnp.arange(spikes.shape[0], dtype=jnp.int32)
    return lax.scan(one_step, (ring, plastic, trail), lags)[0]


def update_dense(
    rule: Rule, plastic: Plastic, p: Values, first: Any, table: Table, window: Window | None, h: Any, modulator: Any
) -> Plastic:
    """The transmitter updates all synapses after the steps `first` ..., whose spikes `modulator` (L,) has."""
    last = plastic.last[table.sources()]

    def one_step(s: Values, lag: Any) -> tuple[Values, None]:
        stamp = first + lag + 1
        since_last = ((stamp - last) * h).astype(modulator.dtype)
        return _arrivals(rule, s, p, stamp, since_last, table, window, modulator[lag])[0], None

    n = modulator.shape[0]
    s, _ = lax.scan(one_step, plastic.synapse, jnp.arange(n, dtype=jnp.int32))
    s = rule.model.on_update(p, s, ((first + n - last) * h).astype(modulator.dtype))
    return plastic._replace(synapse=s, last=jnp.full_like(plastic.last, first + n), modulated=first + n)


def _arrivals(
    rule: Rule, s: Values, p: Values, stamp: Any, since_last: Any, table: Table, window: Window | None, count: Any
) -> tuple[Values, tuple[Any, ...]]:
    """What reaches the synapses at `stamp`: `count` spikes of the modulator (None: there is none), then those of the targets. The
    states, and the traces of the targets."""
    assert window is not None
    if count is not None:
        s = where(count > 0, rule.model.on_modulator(p, s, Modulation(since_last, count)), s)
    post = rule.post(table.target)
    row = (stamp - table.delay.astype(jnp.int32)) % window.spiked.shape[0]
    traces = window.K[row, post], window.K_triplet[row, post], window.nearest[row, post]
    arrived = jnp.round(jnp.abs(window.spiked[row, post])).astype(jnp.int32)
    if count is not None:  # others have no updates, so nothing that they have used before
        arrived = jnp.where(since_last > 0, arrived, 0)
    if rule.post_repeats:
        s = _repeated(partial(_post_again, rule), arrived, 0, (p, since_last, traces[1]), (arrived,), s)
    else:
        s = where(arrived > 0, rule.model.on_post(p, s, Post(since_last, traces[1])), s)
    return s, traces


def _post_again(rule: Rule, r: Any, reals: Any, whole: Any, s: Values) -> Values:
    """The postsynaptic spike number `r` of several at one time."""
    (p, since_last, K_triplet), (times,) = reals, whole
    return where(r < times, rule.model.on_post(p, s, Post(since_last, K_triplet + r)), s)


def _pre_again(rule: Rule, r: Any, reals: Any, whole: Any, carry: Any) -> Any:
    """The presynaptic spike number `r` >= 1 of several at one time; what it sends beyond the first is summed up."""
    (p, since_last, traces, order, value), (times, step, connection, key) = reals, whole
    s, more, trail = carry
    known = {**rule.randoms(key, step, connection, r), "order": order}
    pre = Pre(jnp.zeros_like(since_last), jnp.zeros(1, bool), *traces, **known)
    new, weight, again, passed = rule.send(p, s, pre)
    if trail is not None:
        trail = append(trail, step, connection, weight, (r < times) & passed)
    return where(r < times, new, s), more + jnp.where(r < times, again - value, 0.0), trail


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
