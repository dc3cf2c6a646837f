"""The third factor of plastic synapses: spikes of a modulator come between the postsynaptic ones, in order of time."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events.history import Log, Reader
from jaxnest.events.rule import Rule, where
from jaxnest.synapses._base import Modulation, Post

_FAR = 1 << 30


class Modulations(NamedTuple):
    """The spikes of a modulator, in its `log`, with stamps in (after, upto]; `last` the stamp from which the synapses' times
    count."""

    log: Log
    last: Any
    after: Any
    upto: Any


def with_modulator(
    rule: Rule,
    s: Values,
    p: Values,
    reader: Reader,
    later: Any,
    pending: Any,
    offset: Any,
    third: Modulations,
    h: Any,
) -> Values:
    """Apply `on_post` for `pending` spikes of a log, of which the last is `later` before its last, and `on_modulator` for
    those of the modulator, in order of time, and of those at one time the modulator's first. `offset` turns a postsynaptic stamp
    into the steps since the synapse's last update."""
    log, dtype = reader.log, reader.log.K.dtype
    other = Reader(third.log, jnp.full_like(reader.neuron, rule.modulator), reader.inside)
    newer, waiting = other.between(third.after, third.upto)
    stamps, K_triplet, modulator_stamps = log.stamp.ravel(), log.K_triplet.ravel(), third.log.stamp.ravel()
    counts = third.log.times.ravel()

    def apply(c: Any) -> Any:
        posts, repeat, modulations, s = c
        place, _ = reader.place(later + posts - 1)
        there, _ = other.place(newer + modulations - 1)
        at = jnp.where(posts > 0, stamps[place] + offset, _FAR)
        at_modulator = jnp.where(modulations > 0, modulator_stamps[there] - third.last, _FAR)
        first = (modulations > 0) & (at_modulator <= at)
        times = 1 if log.times is None else log.times.ravel()[place]
        modulated = rule.model.on_modulator(p, s, Modulation((at_modulator * h).astype(dtype), counts[there].astype(dtype)))
        changed = rule.model.on_post(p, s, Post((at * h).astype(dtype), K_triplet[place] - times + repeat))
        s = where(first, modulated, where(posts > 0, changed, s))
        ended = ~first & (posts > 0) & (repeat + 1 >= times)
        repeat = jnp.where(first, repeat, jnp.where(ended, 0, repeat + 1))
        return posts - ended, repeat, modulations - first, s

    def more(c: Any) -> Any:
        return ((c[0] > 0) | (c[2] > 0)).any()

    begin = jnp.where(reader.inside, pending, 0), jnp.zeros_like(pending), jnp.where(reader.inside, waiting, 0), s
    return lax.while_loop(more, apply, begin)[3]
