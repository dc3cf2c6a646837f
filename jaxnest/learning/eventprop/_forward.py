"""A run forward. A slice has no interaction in it (it is shorter than every delay by one step at least), so it is: generators write into the
ring, its rows are read, neurons are stepped, their spikes' events are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events.pull import push
from jaxnest.learning.eventprop._neurons import Parts, amplitudes, timed_step
from jaxnest.simulation._arrays import slice_if_consecutive
from jaxnest.simulation._generators import drive, generate
from jaxnest.simulation._plan import Plan
from jaxnest.simulation._step import Bound, group_inputs


class Operands(NamedTuple):
    """Everything that a run depends on, beside its state: `parts` of the neurons, `sources` the parameters of spike generators, `weight` and `late` of each table,
    `drives` parameters and constants of each generator, and the tables' connections."""

    parts: Parts
    sources: Mapping[str, Values]
    weight: Mapping[str, Any]
    late: Mapping[str, Any]
    drives: Mapping[str, Any]
    connections: Mapping[str, Any]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TimedState:
    """The state of a run: `step`, `key`, `ring` and `nodes` as in `jaxnest.simulation`; `part` the fraction of a step for
    which a refractory neuron will be held in its last step of refractoriness."""

    step: Any
    key: Any
    ring: Any
    nodes: Mapping[str, Any]
    part: Mapping[str, Any]


class Kept(NamedTuple):
    """What the way back needs of a slice: where its neurons began, what reached them, what they and the generators did."""

    nodes: Mapping[str, Any]
    part: Mapping[str, Any]
    arrived: Any
    spiked: Any
    fraction: Any
    outputs: Mapping[str, Any]


class Recorded(NamedTuple):
    """By recorder, (n_steps, n): whether there was a spike, and at which fraction of the step; traces (n_steps, n)."""

    spiked: Mapping[str, Any]
    fraction: Mapping[str, Any]
    traces: Mapping[str, Any]


def forward(plan: Plan, n_steps: int, operands: Operands, state: TimedState, keep: bool) -> tuple[Any, list[Any]]:
    """The result, and what the way back needs of the whole slices and of the rest."""
    parts = []
    for length, count in cuts(plan, n_steps):
        one = partial(_slice, plan, length, operands, keep)

        def step(state: TimedState, _: None, one: Any = one) -> Any:
            return one(state)

        state, (record, kept) = lax.scan(step, state, None, length=count)
        parts.append((jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), record), kept))
    records = [record for record, _ in parts]
    joined = jax.tree.map(lambda *x: jnp.concatenate(x), *records) if len(records) > 1 else records[0]
    return (state, joined), [kept for _, kept in parts]


def cuts(plan: Plan, n_steps: int) -> list[tuple[int, int]]:
    """Lengths of slices, and how many there are of each."""
    full, rest = divmod(n_steps, plan.slice_steps)
    return [(length, count) for length, count in ((plan.slice_steps, full), (rest, 1)) if length and count]


def _slice(plan: Plan, n: int, operands: Operands, keep: bool, state: TimedState) -> tuple[TimedState, Any]:
    """A slice of `n` steps."""
    first, dtype = state.step, state.ring.dtype
    drives = {d.key: state.nodes[d.key] for d in plan.drives}
    woken, outputs = generated(plan, n, operands, drives, state.key, first)
    ring = driven(plan, operands, {k: operands.weight[k] for k in outputs}, outputs, state.ring, first)
    slots = (first + jnp.arange(n, dtype=jnp.int32)) % plan.slots
    arrived = ring[slots]
    ring = ring.at[slots].set(0.0)
    mine = {g.key: state.nodes[g.key] for g in plan.groups}
    (stepped, part), (spiked, fraction, traces) = steps(plan, operands.parts, mine, state.part, arrived)
    amplitude, _ = amplitudes(spiked, fraction, operands.sources, plan.sources, first, operands.parts.h)
    for t in plan.tables:
        ring = push(
            ring,
            amplitude.astype(dtype),
            operands.weight[t.key],
            operands.late[t.key],
            first - 1,
            operands.connections[t.key],
            t.layout,
            plan.native,
        )
    record = Recorded(
        {r.recorder: spiked[:, slice_if_consecutive(r.sources)] for r in plan.recordings},
        {r.recorder: fraction[:, slice_if_consecutive(r.sources)] for r in plan.recordings},
        traces,
    )
    kept = Kept({**mine, **drives}, state.part, arrived, spiked, fraction, outputs) if keep else None
    return TimedState(first + n, state.key, ring, {**woken, **stepped}, part), (record, kept)


def steps(plan: Plan, parts: Parts, nodes: Any, part: Any, arrived: Any) -> tuple[Any, Any]:
    """The steps of the neurons of a slice, given what reaches them (L, columns)."""

    def one(carry: Any, now: Any) -> tuple[Any, Any]:
        nodes, part = carry
        new, new_part, spiked, fraction = {}, {}, [], []
        for g in plan.groups:
            out = timed_step(
                g.model,
                parts.params[g.key],
                parts.constants[g.key],
                parts.h,
                nodes[g.key],
                part[g.key],
                group_inputs(plan, g, now),
            )
            new[g.key], new_part[g.key] = out[:2]
            spiked.append(out[2])
            fraction.append(out[3])
        return (new, new_part), (jnp.concatenate(spiked), jnp.concatenate(fraction), plan.traces(new))

    # of a step only its inputs are kept for the way back, the rest is computed again: fewer, larger loops in XLA
    return lax.scan(jax.checkpoint(one, prevent_cse=False), (nodes, part), arrived)


def generated(plan: Plan, n: int, operands: Operands, nodes: Any, key: Any, first: Any) -> tuple[Any, Mapping[str, Any]]:
    """The states of the generators after `n` steps, and their outputs (n, …) in each."""
    bound = _bound(operands)

    def one(nodes: Any, step: Any) -> tuple[Any, Any]:
        new, outputs = {}, {}
        for d in plan.drives:
            new[d.key], outputs[d.key] = generate(plan, bound, d, nodes[d.key], key, step)
        return new, outputs

    return lax.scan(one, nodes, first + jnp.arange(n, dtype=jnp.int32))


def driven(plan: Plan, operands: Operands, weights: Any, outputs: Any, ring: Any, first: Any) -> Any:
    """`ring` with the outputs of the generators of a slice."""
    if not plan.drives:
        return ring
    bound = _bound(operands)

    def one(ring: Any, now: Any) -> tuple[Any, None]:
        step, output = now
        for d in plan.drives:
            ring = drive(plan, bound, d, weights[d.key], ring, output[d.key], step, native=False)
        return ring, None

    n = jax.tree.leaves(outputs)[0].shape[0]
    return lax.scan(one, ring, (first + jnp.arange(n, dtype=jnp.int32), outputs))[0]


def _bound(operands: Operands) -> Bound:
    return Bound({}, operands.connections, operands.drives, {}, {}, operands.parts.h)


__all__ = ["Kept", "Operands", "Recorded", "TimedState", "cuts", "driven", "forward", "generated", "steps"]
