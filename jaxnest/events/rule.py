"""What the lowerings of plastic tables share: the state of a table, the trail of a weight recorder, and the rule."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnest._values import Values
from jaxnest.events import random
from jaxnest.events.deliver import Layout
from jaxnest.synapses._base import Pre, Synapse


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
