"""Couplings of neurons by continuous signals: how they are laid out, and what they carry in a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnest._values import Values
from jaxnest.neurons._base import Env, Neuron
from jaxnest.simulation import _plan
from jaxnest.simulation._arrays import at, unsigned
from jaxnest.simulation._layout import Build, kind_of
from jaxnest.simulation._network import Projection
from jaxnest.simulation._relative import own
from jaxnest.synapses._base import Coupling


def coupling_plans(b: Build) -> tuple[list[_plan.SignalPlan], list[_plan.CouplingPlan]]:
    """The signals that are carried, and one plan for each group that a projection couples."""
    coupled = [proj for proj in b.net.projections if kind_of(proj) == "signal"]
    signals: dict[str, _plan.SignalPlan] = {}
    plans: list[_plan.CouplingPlan] = []
    for name in dict.fromkeys(proj.model.signal for proj in coupled):  # type: ignore[attr-defined]
        signals[name] = _signal(b, name, coupled)
    for proj in coupled:
        b.layouts.lists[proj.name] = []
        if len(proj):
            plans += _plans_of(b, proj, signals[proj.model.signal])  # type: ignore[attr-defined]
    return list(signals.values()), plans


def _signal(b: Build, name: str, coupled: Sequence[Projection]) -> _plan.SignalPlan:
    starts, n = [], 0
    for g in b.index.group_list:
        if name in g.model.emits:
            starts.append((g.key, n))
            n += g.n
    of_it = [proj for proj in coupled if proj.model.signal == name and len(proj)]  # type: ignore[attr-defined]
    longest = max((int(proj.delay.max()) for proj in of_it if proj.model.delayed), default=-1)  # type: ignore[attr-defined]
    return _plan.SignalPlan(name, n, tuple(starts), longest + 1)


def _plans_of(b: Build, proj: Projection, signal: _plan.SignalPlan) -> list[_plan.CouplingPlan]:
    model = proj.model
    assert issubclass(model, Coupling)
    first = dict(signal.starts)
    groups, from_group, place = b.index.parts_by_group(proj.pre)
    source_of = np.array([first[g.key] for g in groups], np.int32)[from_group] + place
    touched, which, local = b.index.parts_by_group(proj.post)
    sources, targets = proj.drawing.pairs()
    plans = []
    for j, group in enumerate(touched):
        rows = np.flatnonzero(which[targets] == j)
        rows = rows[np.argsort(local[targets[rows]], kind="stable")]
        if not len(rows):
            continue
        key = f"{proj.name}[{group.key}]"
        target = local[targets[rows]]
        values = {"weight": proj.weight, **{k: v.all() for k, v in proj.values.items()}}
        given = {k: np.atleast_1d(at(v, rows)).astype(b.dtype) for k, v in values.items()}
        missing = {k: np.full(1, p.default, b.dtype) for k, p in model.parameters.items() if k not in given}
        b.params["tables"][key] = Values(given | missing)
        b.connections[key] = Values(
            source=source_of[sources[rows]].astype(np.int32),
            target=target.astype(np.int32),
            delay=unsigned(at(proj.delay, rows)),
            ident=rows.astype(np.int32),
        )
        if model.signal in group.model.signal_ports:
            b.connections[key] = Values(b.connections[key], receptor=np.atleast_1d(at(proj.receptor, rows)))
        b.layouts.lists[proj.name].append(key)
        degrees = np.bincount(target, minlength=group.n)
        indegree = int(degrees[0]) if (degrees == degrees[0]).all() else 0
        plans.append(_plan.CouplingPlan(key, model, group.key, len(rows), indegree))
    return plans


def sent(
    plan: _plan.Plan,
    bound: Any,
    nodes: Mapping[str, Values],
    kept: Mapping[str, Any],
    env_of: Callable[[_plan.Group], Env],
    n: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The signals (n,) in step `n`, by name, of neurons in the states `nodes`; and what is kept of them, these among it."""
    now: dict[str, Any] = {}
    rings: dict[str, Any] = {}
    for signal in plan.signals:
        parts = []
        ring = kept[signal.name] if signal.slots else None
        for key, start in signal.starts:
            g = plan.group(key)
            value = g.model.signal(bound.params["nodes"][key], bound.constants[key], own(g.model, nodes[key]), env_of(g))
            parts.append(_wide(value[signal.name], g.n))
            if ring is not None:  # signals of a step's end are those of the step before
                row = (n - 1 if g.model.emits_new else n) % signal.slots
                ring = lax.dynamic_update_slice(ring, parts[-1][None].astype(ring.dtype), (row, np.int32(start)))
        now[signal.name] = jnp.concatenate(parts, axis=-1)
        if ring is not None:
            rings[signal.name] = ring
    return now, rings


def relaxed(
    plan: _plan.Plan,
    now: dict[str, Any],
    waveform_of: Callable[[_plan.Group, Mapping[str, Any]], Values],
) -> dict[str, Any]:
    """The signals of a step, where those of some neurons depend on one another: `waveform_of` makes the step of a group with given signals, and
    returns its own. From `now` on, until no potential at the end of the step changes by more than the tolerance, or as often as is allowed.

    With the "fixed" solver, which has reverse-mode derivatives, always as often as is allowed.
    """
    groups = {s.name: [plan.group(key) for key, _ in s.starts] for s in plan.signals}
    names = [name for name, each in groups.items() if any(g.model.relaxed for g in each)]
    limit = plan.relaxation.max_iterations
    if not names or not limit:
        return now

    def again(signals: dict[str, Any]) -> dict[str, Any]:
        found = {name: [waveform_of(g, {**now, **signals})[name] for g in groups[name]] for name in names}
        return {name: jnp.concatenate(parts, axis=-1) for name, parts in found.items()}

    first = {name: now[name] for name in names}
    if plan.solver == "fixed":
        found, _ = lax.scan(lambda x, _: (again(x), None), first, None, length=limit)
        return {**now, **found}

    def goes_on(carry: tuple[Any, dict[str, Any], Any]) -> Any:
        count, _, change = carry
        return (count < limit) & (change > plan.relaxation.tol)

    def iteration(carry: tuple[Any, dict[str, Any], Any]) -> tuple[Any, dict[str, Any], Any]:
        count, old, _ = carry
        new = again(old)
        ends = [jnp.abs(new[name].sum(axis=0) - old[name].sum(axis=0)).max() for name in names]
        return count + 1, new, jnp.stack(ends).max()

    unknown = jnp.full((), jnp.inf, first[names[0]].dtype)
    _, found, _ = lax.while_loop(goes_on, iteration, (0, first, unknown))
    return {**now, **found}


def heard(plan: _plan.Plan, bound: Any, g: _plan.Group, now: Mapping[str, Any], kept: Mapping[str, Any], n: Any) -> Values:
    """What the neurons of a group hear in step `n`: the sum (n,) for each of their channels."""
    sums: dict[str, Any] = {}
    for c in plan.couplings:
        if c.group != g.key:
            continue
        for channel, values in carried(plan, bound, c, g, now, kept, n).items():
            total = _summed(c, g, bound.connections[c.key].target, values)
            sums[channel] = sums[channel] + total if channel in sums else total
    none = jnp.zeros(g.n, bound.h.dtype)
    return Values({channel: sums.get(channel, none) for channel in g.model.hears})


def carried(
    plan: _plan.Plan, bound: Any, c: _plan.CouplingPlan, g: _plan.Group, now: Mapping[str, Any], kept: Mapping[str, Any], n: Any
) -> Values:
    """What each of a projection's couplings to a group carries in step `n`, by channel."""
    wires, p = bound.connections[c.key], bound.params["tables"][c.key]
    if c.model.delayed:
        ring = kept[c.model.signal]
        delay = wires.delay.astype(jnp.int32) - c.model.lead
        x = ring[(n - delay) % ring.shape[0], wires.source]
        there = n >= delay
    else:
        x, there = now[c.model.signal][..., wires.source], True
    if g.model.heard is not Neuron.heard:
        theirs = jax.tree.map(lambda v: v if v.shape[-1] == 1 else v[..., wires.target], bound.params["nodes"][g.key])
        x = g.model.heard(theirs, x)
    values = c.model.carried(p, x)
    ports = g.model.signal_ports.get(c.model.signal)
    if ports is not None:
        total = sum(values.values())
        values = Values({name: jnp.where(wires.receptor == k + 1, total, 0.0) for k, name in enumerate(ports)})
    return Values({k: jnp.where(there, jnp.broadcast_to(v, (c.n,)), 0) for k, v in values.items()})


def _wide(value: Any, n: int) -> Any:
    """A value of n neurons, which may be one for all."""
    return jnp.broadcast_to(value, (*jnp.shape(value)[:-1], n))


def _summed(c: _plan.CouplingPlan, g: _plan.Group, target: Any, values: Any) -> Any:
    """The sum (n,) over the couplings of each neuron, of `values` by target."""
    if c.indegree:
        return values.reshape(g.n, c.indegree).sum(axis=1)
    return jax.ops.segment_sum(values, target, g.n, indices_are_sorted=True)
