"""Runs a `Scenario` in NEST: one thread, float64, connections in the order given."""

from typing import Any

import numpy as np

from .scenario import RECORDERS, Connection, Result, Scenario, Trace, WeightLog, pick

# Labels tell apart the connections of a multapse, whose order GetConnections need not keep.
PLAIN = "static_synapse_lbl"
# Parameters that NEST stores once per synapse model instead of once per connection.
COMMON = {
    "static_synapse_hom_w": ("weight",),
    "stdp_synapse_hom": ("tau_plus", "lambda", "alpha", "mu_plus", "mu_minus", "Wmax"),
    "stdp_pl_synapse_hom": ("tau_plus", "lambda", "alpha", "mu"),
    "jonke_synapse": ("tau_plus", "lambda", "alpha", "beta", "mu_plus", "mu_minus", "Wmax"),
    "tsodyks_synapse_hom": ("weight", "tau_psc", "tau_fac", "tau_rec", "U"),
}
# State of a connection besides its weight.
STATE = {
    "stdp_synapse": ("Kplus",),
    "stdp_synapse_hom": ("Kplus",),
    "stdp_pl_synapse_hom": ("Kplus",),
    "stdp_triplet_synapse": ("Kplus", "Kplus_triplet"),
    "tsodyks_synapse": ("x", "y", "u"),
    "tsodyks2_synapse": ("x", "u"),
    "ht_synapse": ("P",),
    "vogels_sprekeler_synapse": ("Kplus",),
    "stdp_nn_pre_centered_synapse": ("Kplus",),
    "jonke_synapse": ("Kplus",),
}


def run(scenario: Scenario) -> Result:
    """Simulates `scenario` in NEST, whose kernel is reset first."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.resolution = scenario.h
    nest.total_num_virtual_procs = 1
    nest.rng_seed = scenario.seed
    nodes = {node.name: nest.Create(node.model, node.n, [plain(node.of(k)) for k in range(node.n)]) for node in scenario.nodes}
    first = {name: int(collection[0].global_id) for name, collection in nodes.items()}
    logs = {link.weight_recorder: nest.Create("weight_recorder") for link in scenario.connections if link.weight_recorder}
    base, models = 0, []
    for k, link in enumerate(scenario.connections):
        models.append(connect(nest, k, base, link, scenario, first, logs))
        base += link.n
    recorders, meters = {}, {}
    # The delay to a recorder has no physical meaning, but it counts towards min_delay, and so towards a meter's last sample.
    for name in scenario.spikes:
        recorders[name] = nest.Create("spike_recorder")
        nest.Connect(nodes[name], recorders[name], syn_spec={"synapse_model": PLAIN, "delay": 1.0})
    for name, recordables in scenario.record.items():
        interval = scenario.interval or scenario.h
        meters[name] = nest.Create("multimeter", params={"record_from": list(recordables), "interval": interval})
        nest.Connect(meters[name], nodes[name], syn_spec={"synapse_model": PLAIN, "delay": 1.0})

    for phase in scenario.phases:
        for name, changes in phase.changes.items():
            for k, node in enumerate(nodes[name]):
                if changes:  # NEST does not take an empty set of changes
                    node.set(**plain(pick(changes, k)))
        nest.Simulate(phase.duration)

    result = Result()
    for name, recorder in recorders.items():
        result.spikes[name] = spikes_of(recorder, scenario.h, first[name])
    for name, meter in meters.items():
        result.traces[name] = trace_of(meter, scenario.h, first[name], scenario.node(name).n)
    for node in scenario.nodes:
        if node.model in RECORDERS:
            other = recorded_by(scenario, node.name)
            if node.model == "spike_recorder":
                result.spikes[node.name] = spikes_of(nodes[node.name], scenario.h, first[other])
            else:
                result.traces[node.name] = trace_of(nodes[node.name], scenario.h, first[other], scenario.node(other).n)
    for link in scenario.connections:
        if link.weight_recorder:
            events = logs[link.weight_recorder].events
            pre, post = events["senders"] - first[link.pre], events["targets"] - first[link.post]
            order = np.lexsort((events["weights"], post, pre, events["times"]))
            columns = (on_grid(events["times"], scenario.h), pre, post, events["weights"])
            result.weights[link.weight_recorder] = WeightLog(*(column[order] for column in columns))
    base = 0
    for link, model in zip(scenario.connections, models, strict=True):
        result.final.append(final_state(nest, link, model, base))
        base += link.n
    return result


def connect(nest, k: int, base: int, link: Connection, scenario: Scenario, first, logs) -> str | None:
    """Makes the connections of `link`, labelled `base`, `base + 1`, ...; returns the synapse model used, None for a recorder's."""
    pre, post = link.pre_idx + first[link.pre], link.post_idx + first[link.post]
    if scenario.node(link.pre).model in RECORDERS or scenario.node(link.post).model in RECORDERS:
        nest.Connect(pre, post, "one_to_one", {"synapse_model": PLAIN, "delay": link.delay, "weight": link.weight})
        return None
    # All connections of a device must share one synapse model, so a copy is made only where it has something to hold.
    model = f"{link.synapse_model}_lbl"
    common = COMMON.get(link.synapse_model, ())
    own: dict[str, Any] = dict(link.synapse_params) | {"weight": link.weight}
    defaults: dict[str, Any] = {}
    for name in common:
        value = own.pop(name, None)
        if value is not None:
            if np.ptp(value) != 0:
                raise ValueError(f"{link.synapse_model} has one {name} for all its connections")
            defaults[name] = float(value[0])
    if link.weight_recorder:
        defaults["weight_recorder"] = logs[link.weight_recorder]
    if defaults:
        model = f"{model}_{k}"
        nest.CopyModel(f"{link.synapse_model}_lbl", model, defaults)
    spec = {"synapse_model": model, "delay": link.delay, "synapse_label": base + np.arange(link.n)}
    if link.receptor.any():
        spec["receptor_type"] = link.receptor
    nest.Connect(pre, post, "one_to_one", spec | own)
    return model


def final_state(nest, link: Connection, model: str | None, base: int) -> dict[str, np.ndarray]:
    """Weights and state of the connections of `link`, put back into the order given by means of their labels."""
    if model is None:
        return {"weight": link.weight.copy()}
    if "weight" in COMMON.get(link.synapse_model, ()):  # NEST shows such a weight with the model only
        return {"weight": np.full(link.n, nest.GetDefaults(model)["weight"])}
    names = ("weight", *STATE.get(link.synapse_model, ()))
    found = {
        name: np.atleast_1d(value)
        for name, value in nest.GetConnections(synapse_model=model).get(["synapse_label", *names]).items()
    }
    places = found["synapse_label"] - base
    ours = np.flatnonzero((places >= 0) & (places < link.n))
    ours = ours[np.argsort(places[ours])]
    if not np.array_equal(places[ours], np.arange(link.n)):
        raise RuntimeError(f"NEST made {len(ours)} connections where {link.n} were asked for")
    return {name: found[name][ours].astype(float) for name in names}


def spikes_of(recorder, h: float, first: int) -> tuple[np.ndarray, np.ndarray]:
    events = recorder.events
    order = np.lexsort((events["senders"], events["times"]))
    return on_grid(events["times"], h)[order], events["senders"][order].astype(np.int64) - first


def trace_of(meter, h: float, first: int, n: int) -> Trace:
    events = meter.events
    order = np.lexsort((events["senders"], events["times"]))
    times = on_grid(events["times"], h)[order].reshape(-1, n)
    if len(times) and (np.ptp(times, axis=1).any() or (events["senders"][order].reshape(-1, n) != first + np.arange(n)).any()):
        raise RuntimeError("a multimeter missed a node")
    values = {
        name: np.asarray(value)[order].reshape(-1, n) for name, value in events.items() if name not in ("times", "senders")
    }
    return Trace(times[:, 0].copy(), values)


def recorded_by(scenario: Scenario, recorder: str) -> str:
    """The population that a recorder node listens to; it has to be one only."""
    others = {
        link.pre if link.post == recorder else link.post for link in scenario.connections if recorder in (link.pre, link.post)
    }
    if len(others) != 1:
        raise ValueError(f"{recorder} has to be connected to one population")
    return others.pop()


def on_grid(times, h: float) -> np.ndarray:
    """Times in ms as the nearest multiple of `h`, without the noise of their last bits."""
    return np.round(np.round(np.asarray(times, float) / h) * h, 9)


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """NumPy values as the Python ones that NEST accepts; tuples as lists."""
    return {
        name: value.tolist()
        if isinstance(value, np.ndarray | np.generic)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in params.items()
    }
