"""What a slice does with plastic tables beside delivering spikes: pure functions of the plan and of pytrees."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events.history import Log
from jaxnest.events.plastic import Plastic, Rule, bring_up_to_date, update, update_dense
from jaxnest.simulation._plan import Plan, State, TablePlan

if TYPE_CHECKING:
    from jaxnest.simulation._step import Bound


def rates_of(p: Values, h: Any) -> tuple[Any, Any]:
    """h / tau of both traces of neurons with the parameters `p`; 0 where they have none."""
    return tuple(h / p[name] if name in p else jnp.zeros(1) for name in ("tau_minus", "tau_minus_triplet"))  # type: ignore[return-value]


def rule_of(t: TablePlan) -> Rule:
    assert t.model is not None
    place = -1 if t.modulator is None else t.modulator[1]
    return Rule(t.model, t.layout, t.stream, t.first_column, t.n_post, t.counts_events, t.pre_repeats, t.post_repeats, place)


def synapse_parameters(t: TablePlan, p: Values) -> Values:
    """What the rules of a synapse model read as ``p``: see `Synapse`."""
    assert t.model is not None
    names = [*t.model.parameters, *(() if "weight" in t.model.states else ("weight",))]
    return Values({name: p[name] for name in names})


def make_room(plan: Plan, bound: Bound, state: State, now: Any = None) -> State:
    """Where a spike log is nearly full, let all its synapses use what it holds; if `now`, a stamp, is given, those of all logs."""
    logs: dict[str, Log] = {g.key: state.history[g.key] for g in plan.groups if g.plastic}
    full = {
        key: jnp.max(log.count - log.consumed) > plan.log_length // 2 if now is None else jnp.bool_(True)
        for key, log in logs.items()
    }
    now = state.step if now is None else now
    synapses = dict(state.tables)
    for key in logs:
        tables = [t for t in plan.tables if t.model is not None and t.model.reads_post and t.post_group == key]
        read = {key, *(t.modulator[0] for t in tables if t.modulator is not None)}

        def use(carry: Any, tables: Any = tables, rate: Any = bound.rates[key], log: Any = logs[key]) -> Any:
            new = {}
            for t in tables:
                q = synapse_parameters(t, bound.params["tables"][t.key])
                given = q, now, bound.connections[t.key], log, rate, bound.h, plan.native
                modulator = None if t.modulator is None else logs[t.modulator[0]]
                new[t.key] = bring_up_to_date(rule_of(t), carry[1][t.key], *given, modulator)
            return jnp.zeros((), bool), new

        if tables:
            go = jnp.stack([full[k] for k in sorted(read)]).any()
            synapses |= lax.while_loop(lambda c: c[0], use, (go, {t.key: synapses[t.key] for t in tables}))[1]
    history = {k: log._replace(consumed=jnp.where(full[k], log.count, log.consumed)) for k, log in logs.items()}
    return replace(state, history={**state.history, **history}, tables=synapses)


def updated(plan: Plan, bound: Bound, state: State, spikes: Any, complete: Any = True) -> dict[str, Plastic]:
    """The tables with a modulator, whose synapses it updates if it does so at ``state.step``, the end of a slice with the
    `spikes` (L, n_sources) (which only the dense lowering needs)."""
    tables = {}
    for t in plan.tables:
        if t.modulator is None:
            continue
        group, place = t.modulator
        interval = bound.params["nodes"][group].deliver_interval
        slices = jnp.clip(jnp.round(interval[min(place, interval.shape[0] - 1)]), 1, 2**30 // plan.slice_steps).astype(
            jnp.int32
        )
        due = (state.step % (slices * plan.slice_steps) == 0) & complete
        q = synapse_parameters(t, bound.params["tables"][t.key])
        table, history = bound.connections[t.key], state.history[t.post_group]  # type: ignore[index]
        if plan.dense:
            first = state.step - plan.slice_steps
            more = {"p": q, "first": first, "table": table, "window": history, "h": bound.h}
            act = partial(update_dense, rule_of(t), **more, modulator=plan.modulation(t, spikes))
        else:
            rate = bound.rates[t.post_group]  # type: ignore[index]
            more = {"p": q, "now": state.step, "table": table, "log": history, "rate": rate, "h": bound.h}
            act = partial(update, rule_of(t), **more, modulator=state.history[group])
        tables[t.key] = lax.cond(due, act, lambda plastic: plastic, state.tables[t.key])
    return tables


__all__ = ["make_room", "rates_of", "rule_of", "synapse_parameters", "updated"]
