"""From one compiled ledger to the next: nodes and connections came or went, and the run goes on."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest._values import Values
from jaxnest.events.history import Log
from jaxnest.events.plastic import Plastic
from jaxnest.nest._errors import NESTErrors
from jaxnest.neurons._base import Routing
from jaxnest.simulation._plan import DrivePlan, Group, Plan, State
from jaxnest.simulation._plastic import updated
from jaxnest.simulation._step import bind, finish_slice, flush

if TYPE_CHECKING:
    from jaxnest.nest._engine import Engine


def transfer(old: Engine, new: Engine) -> None:
    """Give `new` the state of `old`: of nodes, of what is under way, of plastic synapses and the history that they read."""
    with jax.enable_x64(True):
        before = settled(old)
        state = new.sim.state
        nodes, history = dict(state.nodes), dict(state.history)
        ring = np.array(state.ring)
        sources = np.zeros(len(new.sources), np.int64) - 1
        for g in new.sim.program.plan.groups:
            for h in old.sim.program.plan.groups:
                if not issubclass(g.model, h.model) or h.dims != g.dims:
                    continue
                here, there = _common(old, new, h, g)
                if not len(here):
                    continue
                was = before.nodes[h.key]
                nodes[g.key] = Values(
                    {k: v.at[..., here].set(was[k][..., there]) if k in was else v for k, v in nodes[g.key].items()}
                )
                sources[g.source + here] = h.source + there
                _move_ring(before, ring, old, new, h, g, here, there)
                if g.plastic and h.plastic:
                    history[g.key] = _moved_log(before.history[h.key], history[g.key], here, there)
        _move_drives(before, nodes, old, new)
        signals = _moved_signals(before, state, old, new)
        for s in new.sim.program.plan.sources:
            ids = new.sources[s.source : s.source + s.n]
            found = {int(i): k for k, i in enumerate(old.sources)}
            sources[s.source : s.source + s.n] = [found.get(int(i), -1) for i in ids]
        state = replace(
            state, step=before.step, key=before.key, nodes=nodes, history=history, ring=jnp.asarray(ring), signals=signals
        )
        new.sim.state = _with_synapses(old, new, before, state, sources)
        new.sim.state = jax.tree.map(lambda x: jnp.array(x, copy=True), new.sim.state)
    n = len(old.last_spike)
    new.last_spike[:n] = old.last_spike
    new.readout.waiting = old.readout.waiting
    new.readout.currents.states = old.readout.currents.states
    new.counted = old.counted


def settled(engine: Engine) -> Any:
    """The state with all events of its spikes in the ring, those of the running slice too: no delay is shorter."""
    program, state = engine.sim.program, engine.sim.state
    plan = program.plan
    bound = bind(plan, engine.sim.params, engine.sim.connections)
    state = flush(plan, bound, state)
    lag = int(state.step) % plan.slice_steps
    if lag:
        step = state.step
        pending = jnp.where(jnp.arange(plan.slice_steps)[:, None] < lag, state.pending, 0)
        state = replace(state, pending=pending, step=step - lag + plan.slice_steps)
        trails: dict[str, Any] = {}
        state, _ = finish_slice(plan, bound, state, trails, updates=False)
        state = replace(state, step=step)
    return state


@lru_cache(32)
def compiled_update(plan: Plan) -> Any:
    """`updated` as a function of the parameters, the connections and a state, for the event lowering."""

    def update(params: Any, connections: Any, state: State) -> dict[str, Plastic]:
        return updated(plan, bind(plan, params, connections), state, None)

    return jax.jit(update)


def _common(old: Engine, new: Engine, h: Group, g: Group) -> tuple[np.ndarray, np.ndarray]:
    """Places of the same nodes in a new group and in an old one."""
    ids, other = (_ids(engine, group) for engine, group in ((new, g), (old, h)))
    _, here, there = np.intersect1d(ids, other, return_indices=True)
    return here, there


def _ids(engine: Engine, group: Group) -> np.ndarray:
    by_name = {p.core.name: p.ids for p in engine.pops}
    return np.concatenate([by_name[m.population] for m in group.members])


def _move_drives(before: Any, nodes: dict[str, Any], old: Engine, new: Engine) -> None:
    """States of generators, of which random ones have one for each connection."""
    for d in new.sim.program.plan.drives:
        for h in old.sim.program.plan.drives:
            if h.model is not d.model or not len(nodes[d.key]):
                continue
            _, here, there = np.intersect1d(_elements(new, d), _elements(old, h), return_indices=True)
            if len(here):
                nodes[d.key] = Values(
                    {k: v.at[..., here].set(before.nodes[h.key][k][..., there]) for k, v in nodes[d.key].items()}
                )


def _elements(engine: Engine, d: DrivePlan) -> np.ndarray:
    """A number for each of what a generator has states of: the device's ID, or one that tells connections apart."""
    ids = next(p.ids for p in engine.pops if p.core.name == d.population)
    if not d.model.per_target or (d.n_states == 1 and not d.model.own_state):
        return np.asarray(ids, np.int64)
    if d.source >= 0:
        recorder, generator = engine.direct[int(d.key.split("<-")[0].split("#")[1])]
        return np.array([-(recorder << 31) - generator])
    wired = next(w for w in engine.wired if w.name == d.key.split("[")[0])
    numbers = np.concatenate([(b.number << 40) + places for b, places in wired.parts])
    return numbers[np.asarray(engine.sim.connections[d.key].ident)]


def _move_ring(
    before: Any, ring: np.ndarray, old: Engine, new: Engine, h: Group, g: Group, here: np.ndarray, there: np.ndarray
) -> None:
    """Events under way to the nodes of a group."""
    was = np.asarray(before.ring)
    a, b = old.sim.program.plan, new.sim.program.plan
    now = int(before.step) + np.arange(min(a.slots, b.slots))
    rows = now % b.slots, now % a.slots
    pairs = [(g.column + here + port * g.n, h.column + there + port * h.n) for port in range(g.ports)]
    if g.model.routing is Routing.SIGN:
        pairs.append((g.column + b.inhibitory + here, h.column + a.inhibitory + there))
    for mine, yours in ((g.current, h.current), (g.filtered, h.filtered)):
        if mine >= 0 and yours >= 0:
            pairs.append((mine + here, yours + there))
    for to, come in pairs:
        ring[np.ix_(rows[0], to)] = was[np.ix_(rows[1], come)]


def _moved_signals(before: Any, state: Any, old: Engine, new: Engine) -> dict[str, Any]:
    """The last values of continuous signals of nodes that send them in both."""
    signals = dict(state.signals)
    a, b = old.sim.program.plan, new.sim.program.plan
    for name in signals.keys() & before.signals.keys():
        first, second = (next(s for s in plan.signals if s.name == name) for plan in (a, b))
        steps = int(before.step) - 1 - np.arange(min(first.slots, second.slots, int(before.step)))
        values = np.array(signals[name])
        for key, start in second.starts:
            for other, begin in first.starts:
                here, there = _common(old, new, a.group(other), b.group(key))
                rows = np.asarray(before.signals[name])[np.ix_(steps % first.slots, begin + there)]
                values[np.ix_(steps % second.slots, start + here)] = rows
        signals[name] = jnp.asarray(values)
    return signals


def _moved_log(old: Log, new: Log, here: np.ndarray, there: np.ndarray) -> Log:
    size = min(old.stamp.shape[1], new.stamp.shape[1])
    if int(jnp.max(old.count - old.consumed, initial=0)) > size:
        raise NESTErrors.NotImplemented("The history of spikes does not fit: make all connections of plastic synapses earlier.")

    def put(a: Any, b: Any) -> Any:
        return a if a is None else a.at[here, :size].set(b[there, :size])

    return Log(
        put(new.stamp, old.stamp),
        put(new.K, old.K),
        put(new.K_triplet, old.K_triplet),
        new.count.at[here].set(old.count[there]),
        new.consumed.at[here].set(old.consumed[there]),
        put(new.times, old.times),
    )


def _with_synapses(old: Engine, new: Engine, before: Any, state: Any, sources: np.ndarray) -> Any:
    """`state` with what the plastic synapses of `old` remember."""
    kept = np.flatnonzero(sources >= 0)
    for wired in new.wired:
        core = wired.parts[0][0].model.core
        if not core.states:
            continue
        order = new.sim.program.order_of(wired.name)
        values = {k: np.array(new.sim.program.get(state, f"{wired.name}.{k}")) for k in core.states}
        at = 0
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        for batch, places in wired.parts:
            for key in core.states:
                live = old.connection_values(batch, key, before)
                if live is None:
                    continue
                mine = place[at : at + len(places)]
                known = ~np.isnan(live[places])
                values[key][mine[known]] = live[places][known]
            at += len(places)
        state = _put_states(new, state, wired.name, values)
    tables = dict(state.tables)
    for key, plastic in tables.items():
        name = key.split("#")[0]
        origin = next((p for k, p in before.tables.items() if k.split("#")[0] == name), None)
        if origin is not None:
            had = _senders(old, name)  # to synapses of other sources, all of which are new, no spike has come yet
            mine = kept[np.isin(new.sources[kept], had)]
            last = plastic.last.at[mine].set(origin.last[sources[mine]])
            tables[key] = plastic._replace(last=last, done=origin.done, modulated=origin.modulated)
        elif plastic.modulated is not None:  # earlier spikes of the modulator are nothing to new synapses
            tables[key] = plastic._replace(modulated=before.step)
    return replace(state, tables=tables)


def _senders(engine: Engine, model: str) -> np.ndarray:
    """The IDs of the sources of synapses of a model."""
    parts = [p for w in engine.wired if w.name.split("#")[0] == model for p in w.parts]
    return np.unique(np.concatenate([np.zeros(0, np.int32), *(b.pre[places] for b, places in parts)]))


def _put_states(engine: Engine, state: Any, name: str, values: dict[str, np.ndarray]) -> Any:
    tables, done = dict(state.tables), 0
    for key, index, n in engine.sim.program.connection_parts(name):
        synapse = tables[key].synapse
        new = {k: synapse[k].at[index].set(v[done : done + n]) for k, v in values.items()}
        tables[key] = tables[key]._replace(synapse=synapse.replace(**new))
        done += n
    return replace(state, tables=tables)
