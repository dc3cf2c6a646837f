"""How one step and one slice of a compiled network run: pure functions of the plan and of pytrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.events import matrix, random
from jaxnest.events.deliver import deliver
from jaxnest.events.history import log_spikes, watch_spikes
from jaxnest.events.native import steps
from jaxnest.events.native.call import in_place
from jaxnest.events.plastic import Trail, deliver_dense, deliver_events
from jaxnest.events.ring import put, read
from jaxnest.neurons._base import Env, Inputs, Routing
from jaxnest.simulation._couplings import heard, relaxed, sent
from jaxnest.simulation._eager import deliver_eager, shown
from jaxnest.simulation._foreseen import all_known
from jaxnest.simulation._generators import drive, generate, of_devices
from jaxnest.simulation._plan import HERE, Group, Here, Plan, State
from jaxnest.simulation._plastic import make_room, rates_of, rule_of, synapse_parameters, updated
from jaxnest.simulation._relative import own

_NEURON_STREAM = 1


@dataclass(frozen=True)
class Bound:
    """What a run uses in every step, computed from the parameters once: propagators, thresholds, rates."""

    params: Mapping[str, Any]
    connections: Mapping[str, Any]
    constants: Mapping[str, Any]
    rates: Mapping[str, Any]
    ids: Mapping[str, Any]
    h: Any
    here: Here | None = None


def bind(plan: Plan, params: Mapping[str, Any], connections: Mapping[str, Any]) -> Bound:
    """Compute what depends on parameters alone. The resolution `h` is itself a parameter."""
    h = params["h"]
    nodes = params["nodes"]
    constants: dict[str, Any] = {g.key: g.model.constants(nodes[g.key], h) for g in plan.groups}
    rates: dict[str, Any] = {}
    for g in plan.groups:
        if g.plastic:
            rates[g.key] = rates_of(nodes[g.key], h)
    for d in plan.drives:
        p = nodes[d.population]
        if d.model.per_target:
            device = connections[d.key].device
            p = jax.tree.map(lambda x, i=device: of_devices(x, i), p)
        constants[d.key] = (p, d.model.constants(p, h))
    here = connections[HERE] if plan.axis else None
    if here is not None:
        ids = here.ids
    else:  # behind a barrier, since XLA would make them anew in every step
        ids = {g.key: jnp.asarray(g.ids) for g in plan.groups}
        ids = lax.optimization_barrier(ids) if plan.native else ids
    return Bound(params, connections, constants, rates, ids, h, here)


def step(
    plan: Plan,
    bound: Bound,
    fire: Callable[[Any], Any],
    state: State,
    *,
    native: bool = False,
    known: Mapping[str, Any] | None = None,
) -> State:
    """One step of the resolution: read the inputs, advance every neuron, put the spikes into ``state.pending``.

    With `native`, models that the C++ library has are advanced, and generators' output is added, by C++, which has no
    derivatives. Sources of which all that is delivered is `known` (see `foreseen`) stay silent.
    """
    n = state.step
    slot, lag = n % plan.slots, n % plan.slice_steps
    ring, pending, nodes, fault = state.ring, state.pending, dict(state.nodes), state.fault
    in_xla = []
    for g in plan.groups:
        if not native or steps.number(g.model) is None or g.frozen is not None:
            in_xla.append(g)
            continue
        ring, pending, nodes[g.key], fault = _native_group(plan, g, bound, ring, pending, nodes[g.key], fault, state.key, n)
    arrived = empty = None
    if in_xla or not plan.groups:
        arrived = read(ring, slot, 0, ring.shape[1])
        empty = lax.stop_gradient(arrived) * 0  # needs what was read, so that the ring is not written before: see `read`
        if plan.waiting is not None:
            empty = jnp.where(plan.waiting, arrived, empty)
        ring = put(ring, empty, slot, 0)
    now, signals = sent(plan, bound, nodes, state.signals, lambda g: _env(plan, g, fire, bound, state.key, n), n)

    def inputs_of(g: Group, now: Mapping[str, Any]) -> Inputs:
        return replace(group_inputs(plan, g, arrived), signals=heard(plan, bound, g, now, signals, n))

    def waveform_of(g: Group, now: Mapping[str, Any]) -> Values:
        return _waveform(plan, g, bound, state.nodes[g.key], inputs_of(g, now), _env(plan, g, fire, bound, state.key, n))

    now = relaxed(plan, now, waveform_of)
    parts = {}
    for g in in_xla:
        inputs, env = inputs_of(g, now), _env(plan, g, fire, bound, state.key, n)
        nodes[g.key], parts[g.source], fault = _group_step(g, bound, nodes[g.key], fault, inputs, env, n)
    weighted = []
    for s in plan.sources:
        if known and all_known(plan, bound, s, known):
            continue
        spike, sums = s.model.emit(bound.params["nodes"][s.key], n, s.n)
        parts[s.source] = s.awake(spike)
        if s.weighted:
            weighted.append(s.awake(sums.astype(ring.dtype).reshape(2, s.n)))
    for d in plan.drives:
        nodes[d.key], output = generate(plan, bound, d, nodes[d.key], state.key, n)
        if d.source < 0:
            ring = drive(plan, bound, d, bound.params["tables"][d.key].weight, ring, output, n, native)
        else:
            parts[d.source] = jnp.broadcast_to(output, (d.n,))
    if weighted:
        parts[plan.n_sources] = jnp.concatenate(weighted, axis=1).ravel()
    for source, spikes in _joined(parts):
        pending = put(pending, spikes, lag, source)
    return replace(state, step=n + 1, ring=ring, pending=pending, nodes=nodes, signals=signals, fault=fault)


def emitted(plan: Plan, state: State) -> Any:
    """The spikes (n_sources,) of the step that ended last."""
    return read(state.pending, (state.step - 1) % plan.slice_steps, 0, plan.n_sources)


def _joined(parts: Mapping[int, Any]) -> list[tuple[int, Any]]:
    """Arrays by the place of their first element, those that adjoin each other as one."""
    runs: list[tuple[int, list[Any]]] = []
    end = -1
    for start in sorted(parts):
        if start != end:
            runs.append((start, []))
        runs[-1][1].append(parts[start])
        end = start + parts[start].shape[0]
    return [(start, run[0] if len(run) == 1 else jnp.concatenate(run)) for start, run in runs]


def _env(plan: Plan, g: Group, fire: Any, bound: Bound, key: Any, n: Any) -> Env:
    """What the neurons of a group may use in step `n`."""
    uniform, normal = (partial(draw, key, _NEURON_STREAM, n, bound.ids[g.key]) for draw in (random.uniform, random.normal))
    return Env(bound.h, fire, uniform, plan.solver, plan.substeps, plan.reset, normal, n)


def _group_step(g: Group, bound: Bound, s: Values, fault: Any, inputs: Inputs, env: Env, n: Any) -> tuple[Values, Any, Any]:
    """A step of the neurons of a group: the new states, the spikes, the fault."""
    old = own(g.model, s)
    new, spike = g.model.step(bound.params["nodes"][g.key], bound.constants[g.key], old, inputs, env)
    if g.frozen is not None:
        still = jnp.asarray(g.frozen)
        new = jax.tree.map(lambda now, was: jnp.where(still, was, now), new, old)
        spike = jnp.where(still, 0, spike)
    return s.replace(**new), jnp.broadcast_to(spike, (g.n,)), jnp.where((fault < 0) & ~_finite(new), n, fault)


def _waveform(plan: Plan, g: Group, bound: Bound, s: Values, inputs: Inputs, env: Env) -> Values:
    """The signals of a group in a step in which it gets `inputs`."""
    p, k, old = bound.params["nodes"][g.key], bound.constants[g.key], own(g.model, s)
    new, _ = g.model.step(p, k, old, inputs, env)
    return g.model.waveform(p, k, old, new, inputs.signals, env, plan.relaxation.interpolation_order)


def _native_group(
    plan: Plan, g: Group, bound: Bound, ring: Any, pending: Any, s: Values, fault: Any, key: Any, n: Any
) -> tuple[Any, Any, Values, Any]:
    """A step of a group whose model the C++ library has: the ring, of which its columns were taken, the spikes of the slice,
    the states, the fault."""
    given = steps.operands(g.model, bound.params["nodes"][g.key], bound.constants[g.key], bound.h, key, n, bound.ids[g.key])
    number = steps.number(g.model)
    assert number is not None
    attributes = {
        "model": number,
        "column": g.column,
        "inhibitory": plan.inhibitory if g.model.routing is Routing.SIGN else 0,
        "current": g.current,
        "filtered": g.filtered,
        "source": g.source,
    }
    old = own(g.model, s)
    ring, pending, *new, fault = in_place("step", given, [ring, pending, *old.values(), fault], **attributes)
    return ring, pending, s.replace(**dict(zip(old, new, strict=True))), fault


def finish_slice(
    plan: Plan,
    bound: Bound,
    state: State,
    trails: Mapping[str, Trail],
    complete: Any = True,
    *,
    native: bool = False,
    updates: bool = True,
    known: Mapping[str, Any] | None = None,
    gathered: Any = None,
) -> tuple[State, Mapping[str, Trail]]:
    """Deliver the spikes of the slice that ends at ``state.step``; with `complete` false, nothing happens. With `native`, as
    in `step`, events of long rows with many delays are delivered only for the next slice, later ones when they are due. Without
    `updates`, volume transmitters leave their synapses as they are. `known`: the `foreseen` sums of this slice. `gathered`, where the network
    is parted: the spikes (L, n_all) of all parts."""
    first = state.step - plan.slice_steps
    pending = state.pending if complete is True else jnp.where(complete, state.pending, 0)
    mine, weighted = pending[:, : plan.n_sources], _weighted(plan, pending)
    spikes = mine if gathered is None else gathered
    weighted = weighted if gathered is None else (spikes,)
    ring = state.ring
    history = dict(state.history)
    for g in plan.groups:
        if g.plastic:
            theirs = mine[:, g.source : g.source + g.n]
            if plan.dense:
                entered = watch_spikes(history[g.key], theirs, first, *bound.rates[g.key])
                history[g.key] = _if(complete, entered, history[g.key])
            else:
                rate, slow_rate = bound.rates[g.key]
                history[g.key] = log_spikes(history[g.key], theirs, first, rate, slow_rate, native=plan.native)
    queue = state.queue
    if native and queue is not None:
        queue = queue.entered(spikes, first, complete)
    tables = dict(state.tables)
    if updates:
        tables |= updated(plan, bound, replace(state, history=history), spikes, complete)
    trails = dict(trails)
    seen = None
    if any(t.eager for t in plan.tables):
        seen = shown(plan, bound, state, lambda g, n: _env(plan, g, spiking, bound, state.key, n))
    for t in plan.tables:
        table, p = bound.connections[t.key], bound.params["tables"][t.key]
        if native and queue is not None and plan.deferred(t):
            end = jnp.where(complete, state.step + plan.slice_steps, state.step)
            ring = queue.deliver(ring, p.weight, table, t.layout, state.step, end, state.step)
            continue
        if known and t.key in known:
            ring = matrix.add(t.layout, ring, known[t.key], first, table)
            continue
        if t.model is None:
            weight = jnp.ones(1, ring.dtype) if t.counts_events else p.weight
            for events in (spikes,) if t.counts_events else weighted:
                ring = deliver(ring, events, weight, first, table, t.layout, dense=plan.dense, native=plan.native)
            continue
        rule = rule_of(t)
        log_or_window = history.get(t.post_group) if t.model.reads_post else None  # type: ignore[arg-type]
        q, h, trail = synapse_parameters(t, p), bound.h, trails.get(t.key)
        if seen is not None and t.eager:
            ring, tables[t.key], trail = deliver_eager(plan, bound, t, state, ring, spikes, seen, trail)
        elif plan.dense:
            ring, changed, trail = deliver_dense(
                rule, ring, tables[t.key], spikes, q, first, table, log_or_window, h, state.key, trail,
                plan.modulation(t, spikes),
            )  # fmt: skip
            tables[t.key] = _if(complete, changed, tables[t.key])
        else:
            rate = bound.rates.get(t.post_group, (jnp.zeros(1), jnp.zeros(1)))  # type: ignore[arg-type]
            ring, tables[t.key], trail = deliver_events(
                rule, ring, tables[t.key], spikes, q, first, table, log_or_window, rate, h, state.key, trail, plan.native,
                None if t.modulator is None else history[t.modulator[0]],
            )  # fmt: skip
        if trail is not None:
            trails[t.key] = trail
    state = replace(state, ring=ring, tables=tables, history=history, queue=queue)
    return (state if plan.dense else make_room(plan, bound, state)), trails


def flush(plan: Plan, bound: Bound, state: State) -> State:
    """The same state with all events of its spikes in the ring. What is added has no derivative, as the ring has none
    either with respect to the weights of the past."""
    if state.queue is None:
        return state
    queue = state.queue
    begin = state.step - state.step % plan.slice_steps
    added = jnp.zeros_like(state.ring)
    for t in plan.tables:
        if plan.deferred(t):
            weight = bound.params["tables"][t.key].weight
            operands = lax.stop_gradient((added, weight, bound.connections[t.key]))
            end = begin + plan.slice_steps
            added = queue.deliver(*operands, t.layout, end, end + plan.slots, begin)
    return replace(state, ring=state.ring + added, queue=queue._replace(count=jnp.zeros_like(queue.count)))


def _finite(states: Values) -> Any:
    """Whether every value is finite: one pass, since a sum with a value that is not finite is not finite."""
    floats = [s.sum(0) if s.ndim > 1 else s for s in states.values() if jnp.issubdtype(s.dtype, jnp.floating)]
    return jnp.isfinite(sum(floats, jnp.zeros(()))).all()


def _weighted(plan: Plan, pending: Any) -> tuple[Any, ...]:
    """The spikes (L, n_sources) as neurons get them, with the weights of those that have their own. Of these the negative
    ones come apart: events must not be summed before they are routed by sign."""
    spikes, done, n = pending[:, : plan.n_sources], plan.n_sources, plan.n_weighted
    if not n:
        return (spikes,)
    negative = jnp.zeros_like(spikes)
    for s in plan.sources:
        if s.weighted:
            place = slice(s.source, s.source + s.n)
            spikes = spikes.at[:, place].set(pending[:, done : done + s.n])
            negative = negative.at[:, place].set(pending[:, done + n : done + n + s.n])
            done += s.n
    return spikes, negative


def group_inputs(plan: Plan, g: Group, arrived: Any) -> Inputs:
    """What neurons of a group get of the row `arrived` (columns,) of the ring buffer."""
    none = jnp.zeros(g.n, arrived.dtype)
    currents: dict[str, Any] = {
        name: arrived[column : column + g.n] if column >= 0 else none
        for name, column in (("current", g.current), ("filtered", g.filtered))
    }
    if g.model.routing is Routing.NONE:
        return Inputs(**currents)
    channel = arrived[g.column : g.column + g.n * g.ports]
    if g.model.routing is Routing.SIGN:
        low = g.column + plan.inhibitory
        return Inputs(ex=channel, inh=arrived[low : low + g.n], **currents)
    if g.model.routing is Routing.PORTS:
        return Inputs(ports=channel.reshape(g.ports, g.n), **currents)
    return Inputs(spikes=channel[: g.n], **currents)


def spiking(x: Any) -> Any:
    """1 where x >= 0, else 0, without a derivative."""
    return (x >= 0).astype(x.dtype)


def _if(condition: Any, new: Any, old: Any) -> Any:
    if condition is True:
        return new
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


__all__ = ["Bound", "bind", "emitted", "finish_slice", "flush", "group_inputs", "step"]
