"""What the lowerings of plastic tables share: the state of a table, the trail of a weight recorder, and the rule."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnest._values import Values
from jaxnest.events import random
from jaxnest.events.deliver import Layout, Table
from jaxnest.synapses._base import Order, Pre, Synapse

#: more than spikes of one neuron at one time
_REPEATS = 1 << 16


class Plastic(NamedTuple):
    """The changing part of a table: `synapse` states (n,); `last` (n_sources,) stamp of each source's last spike
    (0 before the first; of tables with a modulator: of its synapses' last update, which is later); `done`: the stamp up to which
    every synapse has used the postsynaptic spikes; `modulated`: those of the modulator (None: there is none)."""

    synapse: Values
    last: Any
    done: Any
    modulated: Any = None


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
    sources and of targets may have multiplicities. `modulator`: the place of the volume transmitter among those of the network
    (-1: none)."""

    model: type[Synapse]
    layout: Layout
    stream: int
    first_column: int
    n_post: int
    counts_events: bool
    pre_repeats: bool
    post_repeats: bool
    modulator: int = -1

    def post(self, column: Any) -> Any:
        """The postsynaptic neuron that a ring column belongs to; each has one column in every channel."""
        return (column - self.first_column) % self.n_post

    def send(self, p: Values, s: Values, pre: Pre) -> tuple[Values, Any, Any, Any]:
        """A presynaptic spike at each synapse: the new states, the weight that the event carries, what the ring buffer
        receives, and whether the spike is passed on."""
        new, weight, *lossy = self.model.on_pre(p, s, pre)
        amplitude = jnp.ones_like(weight) if self.counts_events else weight
        if not lossy:
            return new, weight, amplitude, True
        passed = lossy[0]
        return new, weight, amplitude * passed, passed != 0

    def randoms(self, key: Any, step: Any, connection: Any, repeat: Any) -> dict[str, Any]:
        """What `Pre` has of random numbers, for the `repeat`-th spike of a step."""
        if not self.model.stochastic:
            return {}

        def draw(k: Any) -> Any:
            return random.uniform(key, self.stream, step, connection, repeat + _REPEATS * k)

        return {"uniform": draw(0), "draw": draw}


def order_of(table: Table, last: Any, spiking: Any, source: Any, place: Any, time: Any) -> Order:
    """The order of the synapses at `place` in the rows of `source` (one, or one each). `last` (n_sources,) of the sources, and
    which of them spike at this time, None if it is only this one."""
    sizes = jnp.diff(table.row_ptr)
    before = jnp.sum(jnp.where(last > 0, sizes, 0))
    if spiking is not None:
        new = jnp.where(spiking & (last == 0), sizes, 0)
        before = (before + jnp.cumsum(new) - new)[source]
    number = before + place - table.row_ptr[source]
    return Order(time, number, jnp.where(last[source] == 0, number + 1, before))


def append(trail: Trail, step: Any, connection: Any, weight: Any, inside: Any) -> Trail:
    room = trail.step.shape[0] - 1  # the last place takes what is not inside
    place = jnp.where(inside, trail.count + jnp.cumsum(inside.astype(jnp.int32)) - 1, room)
    return Trail(
        trail.step.at[place].set(step),
        trail.connection.at[place].set(connection),
        trail.weight.at[place].set(weight),
        trail.count + jnp.sum(inside, dtype=jnp.int32),
    )


def where(condition: Any, new: Values, old: Values) -> Values:
    return jax.tree.map(lambda b, a: jnp.where(condition, b, a), new, old)
