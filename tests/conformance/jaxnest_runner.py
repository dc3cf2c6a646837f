"""Runs a `Scenario` in jaxnest, through the public interface alone."""

from typing import Any

import jax
import numpy as np

import jaxnest as jn

from .scenario import RECORDERS, Connection, Each, Result, Scenario, Trace, WeightLog

# State of a connection besides its weight, as NEST shows it.
STATE = ("Kplus", "Kplus_triplet", "x", "y", "u", "P")


def run(scenario: Scenario, dtype: str = "float64", **options: Any) -> Result:
    """Simulates `scenario` in float64 or float32; `options` go to `jaxnest.Simulation`."""
    with jax.enable_x64(dtype == "float64"):
        return _run(scenario, options)


def build(scenario: Scenario) -> tuple[jn.Network, dict[str, Any], list[Any]]:
    """The network, its populations by name, and the projections in the order of the connections (None: recorders)."""
    net = jn.Network(h=scenario.h, seed=scenario.seed)
    pops = {n.name: net.create(n.model, n.n, name=n.name, **initial(n.model, values(n.params))) for n in scenario.nodes}
    logs = {c.weight_recorder: net.create("weight_recorder") for c in scenario.connections if c.weight_recorder}
    return net, pops, [_connect(net, pops, logs, scenario, link) for link in scenario.connections]


def _run(scenario: Scenario, options: dict[str, Any]) -> Result:
    net, pops, projections = build(scenario)
    recorders, meters = {}, {}
    for name in scenario.spikes:
        recorders[name] = net.create("spike_recorder", name=f"spikes of {name}")
        net.connect(pops[name], recorders[name])
    for name, recordables in scenario.record.items():
        interval = scenario.interval or scenario.h
        meters[name] = net.create("multimeter", name=f"traces of {name}", record_from=recordables, interval=interval)
        net.connect(meters[name], pops[name])
    sim = jn.Simulation(net, seed=scenario.seed, **options)
    for phase in scenario.phases:
        for name, changes in phase.changes.items():
            if changes:
                sim.set(name, **values(changes))
        sim.run(phase.duration)

    result = Result()
    for name, recorder in recorders.items():
        result.spikes[name] = _spikes(sim, recorder, None)
    for name, meter in meters.items():
        result.traces[name] = _trace(sim, meter)
    for node in scenario.nodes:
        if node.model == "spike_recorder":
            link = next(c for c in scenario.connections if c.post == node.name)
            result.spikes[node.name] = _spikes(sim, pops[node.name], link.pre_idx)
        elif node.model == "multimeter":
            result.traces[node.name] = _trace(sim, pops[node.name])
    for link, projection in zip(scenario.connections, projections, strict=True):
        if projection is None:
            result.final.append({"weight": link.weight.copy()})
            continue
        if link.weight_recorder:
            result.weights[link.weight_recorder] = _log(sim, link, projection)
        result.final.append(_final(sim, link, projection))
    return result


def values(params: dict[str, Any]) -> dict[str, Any]:
    """`Each` becomes one value (or list) a node; everything else is shared."""
    return {key: list(value) if isinstance(value, Each) else value for key, value in params.items()}


def initial(model: str, params: dict[str, Any]) -> dict[str, Any]:
    """NEST starts at the default of a potential (V_m at -70 mV) also where E_L is given; jaxnest starts at E_L."""
    cls = {**jn.neurons.neurons, **jn.devices.devices}[model]
    defaults = {
        name: cls.parameters[state.init].default
        for name, state in cls.states.items()
        if isinstance(state.init, str) and state.init in params
    }
    return {**defaults, **params}


def _connect(net: jn.Network, pops: dict, logs: dict, scenario: Scenario, link: Connection) -> Any:
    pre, post = pops[link.pre], pops[link.post]
    models = scenario.node(link.pre).model, scenario.node(link.post).model
    if models[1] == "spike_recorder":
        net.connect(pre[link.pre_idx], post)
        return None
    if models[0] in RECORDERS:
        net.connect(pre, post[link.post_idx])
        return None
    model = jn.synapses.synapses[link.synapse_model]
    params = {key: value[0] if key in model.common else value for key, value in link.synapse_params.items()}
    weight = link.weight[0] if "weight" in model.common else link.weight
    return net.connect(
        pre,
        post,
        jn.explicit(link.pre_idx, link.post_idx),
        synapse=link.synapse_model,
        weight=weight,
        delay=link.delay,
        receptor=link.receptor if link.receptor.any() else None,
        weight_recorder=logs.get(link.weight_recorder),
        **params,
    )


def _spikes(sim: jn.Simulation, recorder: Any, index: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    spikes = sim.spikes(recorder)
    senders = spikes.senders if index is None else np.asarray(index)[spikes.senders]
    order = np.lexsort((senders, spikes.times))
    return spikes.times[order], senders[order]


def _trace(sim: jn.Simulation, meter: Any) -> Trace:
    traces = sim.traces(meter)
    return Trace(traces.times, {k: np.asarray(v, float) for k, v in traces.values.items()})


def _log(sim: jn.Simulation, link: Connection, projection: Any) -> WeightLog:
    weights = sim.weights(projection)
    ends = sim.program.connections_of(projection.name)
    pre, post = ends["pre"][weights.connections], ends["post"][weights.connections]
    order = np.lexsort((weights.weights, post, pre, weights.times))
    return WeightLog(weights.times[order], pre[order], post[order], np.asarray(weights.weights, float)[order])


def _final(sim: jn.Simulation, link: Connection, projection: Any) -> dict[str, np.ndarray]:
    order = np.lexsort((link.post_idx, link.receptor, link.pre_idx))
    found = {}
    for name in ("weight", *(s for s in STATE if s in projection.model.states)):
        column = np.empty(link.n)
        column[order] = sim.get(projection, name)
        found[name] = column
    return found
