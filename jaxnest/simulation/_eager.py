"""What synapses that learn in every step see at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from jaxnest._values import Values
from jaxnest.events.eager import advance
from jaxnest.neurons._base import Env
from jaxnest.simulation._couplings import heard, sent
from jaxnest.simulation._plan import Group, Plan, State, TablePlan
from jaxnest.simulation._plastic import rule_of, synapse_parameters
from jaxnest.simulation._relative import own

if TYPE_CHECKING:
    from jaxnest.simulation._step import Bound


def deliver_eager(
    plan: Plan,
    bound: Bound,
    t: TablePlan,
    state: State,
    ring: Any,
    spikes: Any,
    seen: tuple[dict[str, Values], Any],
    trail: Any,
) -> tuple[Any, Any, Any]:
    """The ring, the table, and its trail after the step that ended at ``state.step``, with the `spikes` (1, n_sources); `seen`: see `shown`."""
    group = plan.group(t.post_group)  # type: ignore[arg-type]
    p = synapse_parameters(t, bound.params["tables"][t.key])
    return advance(
        rule_of(t), ring, state.tables[t.key], spikes, seen[1], seen[0][group.key], p, state.step - 1,
        bound.connections[t.key], bound.h, trail, group.model, dense=plan.dense, native=plan.native,
    )  # fmt: skip


def shown(plan: Plan, bound: Bound, state: State, env_of: Callable[[Group, Any], Env]) -> tuple[dict[str, Values], Any]:
    """What neurons show their synapses after the step that ended at ``state.step``, by group; and which sources sent a flush event in it."""
    groups = [g for g in plan.groups if any(t.eager and t.post_group == g.key for t in plan.tables)]
    nodes, end = state.nodes, state.step
    now, signals = sent(plan, bound, nodes, state.signals, lambda g: env_of(g, end), end)
    found = {}
    for g in groups:
        hears = heard(plan, bound, g, now, signals, end)
        p, k = bound.params["nodes"][g.key], bound.constants[g.key]
        found[g.key] = g.model.shows(p, k, own(g.model, nodes[g.key]), hears, env_of(g, end - 1))
    flushes = None
    if any(g.model.may_flush for g in plan.groups):
        flushes = jnp.zeros(plan.n_sources, bound.h.dtype)
        for g in plan.groups:
            if g.model.may_flush:
                sends = g.model.flushes(bound.params["nodes"][g.key], bound.constants[g.key], own(g.model, nodes[g.key]))
                flushes = flushes.at[g.source : g.source + g.n].set(sends)
    return found, flushes
