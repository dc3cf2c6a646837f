"""What generators put out in a step, and how it gets to their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from jaxnest.devices._base import Moment
from jaxnest.events import random
from jaxnest.events.native.call import in_place
from jaxnest.events.ring import add
from jaxnest.simulation._plan import DrivePlan, Plan

if TYPE_CHECKING:
    from jaxnest.simulation._step import Bound


def generate(plan: Plan, bound: Bound, d: DrivePlan, s: Any, key: Any, n: Any) -> tuple[Any, Any]:
    """The new states of a generator, and what it puts out in step `n` for each of its targets."""
    targets = bound.connections[d.key]
    p, k = bound.constants[d.key]
    moment = Moment(
        step=n,
        h=bound.h,
        uniform=lambda draw: random.uniform(key, d.stream, n, targets.ident, draw),
        normal=lambda draw: random.normal(key, d.stream, n, targets.ident, draw),
        poisson=lambda table: random.poisson(table, key, d.stream, n, targets.ident, native=plan.native),
    )
    new, output = d.model.emit(p, k, s, moment)
    output = output if d.model.per_target else of_devices(output, targets.device)
    if d.frozen is not None:
        mute = jnp.asarray(d.frozen)[targets.device]
        output = jnp.where(mute, 0, output)
        still = mute if d.model.per_target and d.n_states == d.n else d.frozen
        new = jax.tree.map(lambda now, was: jnp.where(still, was, now), new, s)
    return new, output


def drive(plan: Plan, bound: Bound, d: DrivePlan, weight: Any, ring: Any, output: Any, n: Any, native: bool) -> Any:
    """The output of a generator in step `n` goes to the ring buffer, `delay` steps ahead."""
    targets = bound.connections[d.key]
    weight = jnp.ones(1, ring.dtype) if d.counts_events else weight.astype(ring.dtype)
    output = jnp.broadcast_to(output, (d.n,)).astype(ring.dtype)
    delay = targets.delay.astype(jnp.int32)
    if native:
        return in_place("drive", (output, weight, targets.column, delay, n), (ring,), inhibitory=d.inhibitory)[0]
    value = jnp.broadcast_to(output * weight, (d.n,))
    return _add_drive(plan, d, ring, value, weight, targets.column, (n + delay) % plan.slots)


def _add_drive(plan: Plan, d: DrivePlan, ring: Any, value: Any, weight: Any, column: Any, slot: Any) -> Any:
    """`ring` with the values (n,) of a generator's connections at their columns and slots, routed by the sign of `weight`."""
    if not d.block:
        if d.inhibitory:
            column = column + jnp.where(weight < 0, d.inhibitory, 0)
        return ring.at[jnp.broadcast_to(slot, column.shape), column].add(value)
    channels = [(column[0], value)]
    if d.inhibitory:
        negative = weight < 0
        channels = [
            (column[0], jnp.where(negative, 0.0, value)),
            (column[0] + d.inhibitory, jnp.where(negative, value, 0.0)),
        ]
    for begin, part in channels:
        ring = add(ring, part, slot[0], begin)
    return ring


def of_devices(x: Any, index: Any) -> Any:
    """Values of devices (last axis) for their connections; a single value serves all."""
    return x if x.shape[-1:] in ((), (1,)) else x[..., index]
