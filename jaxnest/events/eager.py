"""Synapses that learn in every step: all of them advance at its end, then its spikes are delivered with the weights of that time.

The work of a step is proportional to the number of synapses, on which `Synapse.on_step` acts element-wise; delivery alone
depends on the spikes.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events.deliver import Table, deliver
from jaxnest.events.rule import Plastic, Rule, Trail, append
from jaxnest.synapses._base import Now


def advance(
    rule: Rule,
    ring: Any,
    plastic: Plastic,
    spikes: Any,
    flushes: Any,
    shown: Values,
    p: Values,
    step: Any,
    table: Table,
    h: Any,
    trail: Trail | None,
    target: type,
    *,
    dense: bool,
    native: bool,
) -> tuple[Any, Plastic, Trail | None]:
    """The end of `step`: let the synapses learn, and deliver its `spikes` (1, n_sources).

    `flushes` (n_sources,): which sources sent a flush event, None if none can; `shown`: what the targets, neurons of the model `target`, show, each
    (n_post,) or (1,); `p`: parameters of the synapses, each (n,) or (1,). A spike of multiplicity m is one to the synapse, and m to the target.
    """
    source, post = table.sources(), rule.post(table.target)
    spiked = spikes[0][source] != 0
    flush = jnp.zeros_like(spiked) if flushes is None else flushes[source] != 0
    seen = Values({k: v if v.shape[0] == 1 else v[post] for k, v in shown.items()})
    new, weight, passed = rule.model.on_step(p, plastic.synapse, Now(step + 1, h, spiked, flush, seen, target))
    weight = jnp.broadcast_to(weight, spiked.shape)
    passed = jnp.broadcast_to(passed, spiked.shape)
    if trail is not None:
        connection = jnp.arange(table.target.shape[0], dtype=jnp.int32)
        times = jnp.where(passed, jnp.round(jnp.abs(spikes[0])).astype(jnp.int32)[source], 0)

        def again(k: Any, trail: Trail) -> Trail:
            return append(trail, step, connection, weight, k < times)

        trail = lax.fori_loop(0, jnp.max(times, initial=0), again, trail)
    carried = jnp.where(passed, weight, 0.0)
    ring = deliver(ring, spikes, carried, step, table, rule.layout, dense=dense, native=native)
    states = Values({k: v.astype(plastic.synapse[k].dtype) for k, v in new.items()})
    last = jnp.where(spikes[0] != 0, step + 1, plastic.last)
    return ring, plastic._replace(synapse=states, last=last), trail
