"""`Connect`: from collections, conn_spec and syn_spec to batches of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest.devices._base import Device, Drive, Recorder, Source
from jaxnest.nest._connections import rounded
from jaxnest.nest._coupled import check_coupled, check_ends, check_symmetric
from jaxnest.nest._device_rules import check_devices, check_rule, impossible
from jaxnest.nest._errors import NESTErrors, type_mismatch, unread_keys
from jaxnest.nest._kernel import Kernel
from jaxnest.nest._ledger import Batch, in_range, rounded_up, synapse_check
from jaxnest.nest._models import SynapseModel
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._parameters import Context, Parameter
from jaxnest.nest._recorders import meter_ports
from jaxnest.nest._spatial_wiring import check_synapse, check_targets, needs_space, spatial_pairs
from jaxnest.nest._specs import as_integer
from jaxnest.nest._wiring import check_spec, pairs
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.synapses._base import Coupling


class CollocatedSynapses:
    """Several syn_specs: every pair that the rule finds gets a connection of each."""

    def __init__(self, *args: Any) -> None:
        self.syn_specs = args

    def __len__(self) -> int:
        return len(self.syn_specs)


@dataclass(frozen=True, eq=False)
class Found:
    """The pairs of a rule: positions (n,) among sources and targets; the IDs; displacements (n, d), if in space."""

    source: np.ndarray
    target: np.ndarray
    pre: np.ndarray
    post: np.ndarray
    context: Context | None
    shape: tuple[int, ...] | None  # of values given as an array
    rule: str


def connect(kernel: Kernel, pre: NodeCollection, post: NodeCollection, conn_spec: Any, syn_spec: Any) -> None:
    """Make connections. A call that raises leaves the network as it was."""
    if isinstance(conn_spec, str) or conn_spec is None:
        conn_spec = {"rule": conn_spec or "all_to_all"}
    if not isinstance(conn_spec, Mapping):
        raise TypeError("conn_spec must be a string or dict")
    if "rule" not in conn_spec:
        raise KeyError("rule")
    specs = [as_spec(s) for s in (syn_spec.syn_specs if isinstance(syn_spec, CollocatedSynapses) else [syn_spec])]
    models = [model_of(kernel, s) for s in specs]
    if needs_space(conn_spec, *specs):
        found = _in_space(kernel, pre, post, conn_spec, specs)
    else:
        conn_spec = check_spec(conn_spec)
        found = by_rule(kernel, pre, post, conn_spec)
    both_ways = bool(conn_spec.get("make_symmetric"))
    if both_ways and any(isinstance(v, Parameter) for spec in specs for v in spec.values()):
        raise NESTErrors.NotImplemented("Symmetric connections require parameters that can be reset.")
    batches = []
    for model, spec in zip(models, specs, strict=True):
        check_symmetric(model, spec, found.rule, both_ways, np.array_equal(pre._ids, post._ids))
        back = []
        if both_ways:  # whose faults NEST finds first
            mirrored = Found(found.target, found.source, found.post, found.pre, None, found.shape, found.rule)
            back = batches_of(kernel, mirrored, model, spec)
        batches += batches_of(kernel, found, model, spec) + back
    check_devices(kernel, batches)
    for batch in batches:
        kernel.add_batch(batch)


def connect_arrays(kernel: Kernel, pre: np.ndarray, post: np.ndarray, syn_spec: Any) -> None:
    """Connect the i-th of `pre` with the i-th of `post` (IDs, which may repeat)."""
    spec = as_spec(syn_spec)
    model = model_of(kernel, spec)
    for ids in (pre, post):
        unknown = ids[(ids < 1) | (ids > kernel.size)]
        if len(unknown):
            raise NESTErrors.UnknownNode(f"Node with id {unknown[0]} does not exist.")
    place = np.arange(len(pre))
    found = Found(place, place, pre, post, None, (len(pre),), "arrays")
    check_symmetric(model, spec, found.rule, False, False)
    batches = batches_of(kernel, found, model, spec)
    check_devices(kernel, batches)
    for batch in batches:
        kernel.add_batch(batch)


def as_spec(spec: Any) -> dict[str, Any]:
    if spec is None:
        return {}
    if isinstance(spec, str):
        return {"synapse_model": spec}
    if not isinstance(spec, Mapping):
        raise TypeError("syn_spec must be a string, dict or CollocatedSynapses object")
    return dict(spec)


def model_of(kernel: Kernel, spec: Mapping[str, Any]) -> SynapseModel:
    name = spec.get("synapse_model", "static_synapse")
    if not isinstance(name, str):
        raise TypeError("'synapse_model' must be specified by a 'str'.")
    return kernel.synapse_model(name)


def _in_space(
    kernel: Kernel, pre: NodeCollection, post: NodeCollection, conn_spec: Mapping[str, Any], specs: list[dict[str, Any]]
) -> Found:
    options = {k: v for k, v in conn_spec.items() if k != "rule"}
    for spec in specs:
        check_synapse(spec)
    devices = any(block.model.element_type != "neuron" for block, _, _ in kernel.blocks_of(post._ids))
    check_targets(conn_spec["rule"], options, devices)
    p = spatial_pairs(conn_spec["rule"], pre, post, options, kernel.rng)
    return Found(p.pre, p.post, pre._ids[p.pre], post._ids[p.post], p.context(kernel.rng), None, conn_spec["rule"])


def by_rule(kernel: Kernel, pre: NodeCollection, post: NodeCollection, spec: Mapping[str, Any]) -> Found:
    rule = spec["rule"]
    check_rule(kernel, rule, post._ids)
    source, target = pairs(spec, pre._ids, post._ids, kernel.rng)
    shapes: dict[str, tuple[int, ...]] = {
        "one_to_one": (len(pre),),
        "all_to_all": (len(post), len(pre)),
    }
    if rule == "fixed_total_number":
        shapes[rule] = (spec["N"],)
    for name, key, n in (("fixed_indegree", "indegree", len(post)), ("fixed_outdegree", "outdegree", len(pre))):
        if rule == name and not isinstance(spec[key], Parameter):
            shapes[name] = (n, spec[key])
    return Found(source, target, pre._ids[source], post._ids[target], None, shapes.get(rule), rule)


def batches_of(kernel: Kernel, found: Found, model: SynapseModel, spec: Mapping[str, Any]) -> list[Batch]:
    """The connections with one synapse model, one batch for each kind of sources and targets."""
    known = {"synapse_model", "receptor_type", "weight", "delay", *model.parameters}
    known |= {"synapse_label"} if model.labelled else set()
    shared = {*model.core.common, *model.core.derived, *(("volume_transmitter",) if model.core.reads_modulator else ())}
    elements = spec.keys() & {"pre_synaptic_element", "post_synaptic_element"}
    if len(elements) == 1:
        raise NESTErrors.BadProperty("Structural plasticity requires both a pre- and postsynaptic element.")
    if elements:
        raise NESTErrors.NotImplemented("Connect: NEST can connect synaptic elements, jaxnest does not yet.")
    unknown = [k for k in spec if k not in known and k not in shared]
    if unknown:
        raise unread_keys("syn_spec", "Connect", unknown)
    common = [k for k in spec if k in shared]
    if common:
        raise NESTErrors.NotImplemented(f"{common[0]} is common to all {model.name}: set it by SetDefaults or CopyModel.")
    if model.core.reads_modulator:
        _check_modulated(kernel, model, spec)
    check_coupled(model, spec)
    n = len(found.source)
    h = kernel.resolution
    weight = _value(kernel, found, "weight", spec.get("weight", model.defaults["weight"]))
    if not np.isfinite(np.asarray(weight, float)).all():
        raise NESTErrors.BadProperty("weight must be finite.")
    delay = _value(kernel, found, "delay", spec.get("delay", model.defaults["delay"]))
    exact = model.core.delay_rounds_up and "delay" not in spec  # as NEST, which rounds all that Connect is given
    delay = delay if exact else rounded(delay, h)
    if not np.isfinite(delay).all():
        raise NESTErrors.BadDelay("delay must be finite.")
    if n:
        kernel.check_delays(float(np.min(delay)), float(np.max(rounded_up(delay, h))))
    receptor = spec.get("receptor_type", model.defaults["receptor_type"])
    receptor = _integers(kernel, found, "receptor_type", receptor)
    label = _integers(kernel, found, "synapse_label", spec.get("synapse_label", model.defaults.get("synapse_label", -1)))
    if "synapse_label" in spec and np.min(label, initial=0) < 0:
        raise NESTErrors.BadProperty("Connection label must not be negative.")
    values = {k: _of_model(kernel, found, model, k, spec[k] if k in spec else model.defaults[k]) for k in model.parameters}
    own = spec.keys() - {"weight", "delay", "synapse_model", "synapse_label"}
    synapse_check(model, {**values, **({"weight": weight} if own else {})})  # as NEST, which looks at nothing else alone
    columns = {"weight": weight, "delay": delay, "receptor": receptor, "label": label}
    if model.core.eager and (np.round(np.asarray(delay) / h) != 1).any():
        raise impossible("eprop synapses currently require a delay of one simulation step")
    out = []
    for kind, chosen in _kinds(kernel, found, model, receptor):
        pick = slice(None) if chosen is None else chosen
        mine = {k: v if np.ndim(v) == 0 else v[pick] for k, v in {**columns, **values}.items()}
        head = {k: mine.pop(k) for k in columns}
        pre, post = (x[pick].astype(np.int32) for x in (found.pre, found.post))
        if kind == "states":
            head["receptor"] = meter_ports(kernel, pre, post)
        out.append(Batch(model, pre, post, **head, values=mine, kind=kind))
    return out


def _value(kernel: Kernel, found: Found, key: str, value: Any) -> Any:
    """A float for all connections, or an array (n,)."""
    n = len(found.source)
    if isinstance(value, Parameter):
        context = found.context if found.context is not None else Context(n=n, rng=kernel.rng)
        return value.draw(context)
    in_range(value)
    if isinstance(value, str | bool) or value is None:
        kind = {str: "std::string", bool: "bool"}.get(type(value), type(value).__name__)
        raise NESTErrors.BadProperty(f"Cannot handle parameter type. Received {kind}")
    try:
        array = np.asarray(value, float)
    except (TypeError, ValueError):
        raise type_mismatch(key, value, "double") from None
    if array.ndim == 0:
        return float(array)
    if found.shape is None or array.ndim != len(found.shape):
        ndim, rules = "One", "rule 'one_to_one' or 'fixed_total_number'"
        if array.ndim > 1:
            ndim, rules = "Two", "rules 'all_to_all', 'fixed_indegree' or fixed_outdegree'"
        text = f"{ndim}-dimensional parameter arrays can only be used in conjunction with {rules}."
        raise TypeError(f"'{key}' has the wrong type. {text}")
    if array.shape != found.shape:
        size = "x".join(str(n) for n in found.shape)
        raise ValueError(f"'{key}' has to be an array of dimension {size}, a scalar or a dictionary.")
    if found.rule == "all_to_all":
        return array[found.target, found.source]
    flat = array.ravel()
    return flat[found.source] if found.rule in ("one_to_one", "arrays") else flat


def _of_model(kernel: Kernel, found: Found, model: SynapseModel, key: str, value: Any) -> Any:
    """The same of a property of the model. **Raises:** `RuntimeError` for one that is to be a whole number and is none."""
    out = _value(kernel, found, key, value)
    if key not in model.core.whole:
        return out
    if not isinstance(value, Parameter) and np.asarray(value).dtype.kind not in "iu":
        as_integer(key, value)
    return int(out) if np.ndim(out) == 0 else np.round(out).astype(np.int64)


def _integers(kernel: Kernel, found: Found, key: str, value: Any) -> Any:
    if isinstance(value, (float, np.floating)) and not isinstance(value, bool):
        raise type_mismatch(key, value, "long")
    if np.ndim(value) and np.asarray(value).dtype.kind == "f" and np.any(np.asarray(value) % 1):
        raise type_mismatch(key, value, "long")
    out = _value(kernel, found, key, value)
    return int(out) if np.ndim(out) == 0 else np.round(out).astype(np.int64)


def _kinds(kernel: Kernel, found: Found, model: SynapseModel, receptor: Any) -> list[tuple[str, np.ndarray | None]]:
    """The kinds of connections, each with the indices of its connections (None: all).

    **Raises:** `IllegalConnection` and the like for nodes that cannot be connected so.
    """
    if not len(found.source):
        return []
    firsts = np.array([b.first for b in kernel.blocks])
    sides = [np.searchsorted(firsts, ids, side="right") - 1 for ids in (found.pre, found.post)]
    code = sides[0].astype(np.int64) * len(firsts) + sides[1]
    combos, which = np.unique(code, return_inverse=True)
    kinds: dict[str, list[int]] = {}
    for k, combo in enumerate(combos):
        pre, post = kernel.blocks[combo // len(firsts)].model, kernel.blocks[combo % len(firsts)].model
        mine = receptor if np.ndim(receptor) == 0 else receptor[which == k]
        places = found.post[which == k] - kernel.blocks[combo % len(firsts)].first
        kind = _kind(kernel, pre, post, model)
        if kind in ("neurons", "spikes_in", "current_in"):
            if model.hpc and np.any(mine):
                raise impossible("Only rport==0 allowed for HPC synapses. Use normal synapse models instead.")
            _check_receptor(post, mine, kernel.blocks[combo % len(firsts)], places, kind, model)
        kinds.setdefault(kind, []).append(k)
    if len(kinds) == 1:
        return [(next(iter(kinds)), None)]
    return [(kind, np.flatnonzero(np.isin(which, mine))) for kind, mine in kinds.items()]


def _kind(kernel: Kernel, pre: Any, post: Any, model: SynapseModel) -> str:
    """ "neurons" (from a neuron or spike source), "spikes_in" and "current_in" (from other generators), "spikes", "states"
    (to and from recorders)."""
    if issubclass(model.core, Coupling):
        check_ends(pre, post, model)
        return "neurons"
    if not pre.core.sends:
        raise impossible(
            "Source node does not send output.\n  Note that recorders must be connected as Connect(neuron, recorder)."
        )
    if issubclass(pre.core, Recorder):
        if pre.records != "states" or not post.logs:
            raise impossible(f"Cannot connect {pre.name} to {post.name}: a recorder sends nothing there.")
        if not model.core.static:
            raise impossible(f"Cannot connect {pre.name} with {model.name}.")
        if post.core.name == "noise_generator" and kernel.settings.values["total_num_virtual_procs"] > 1:
            raise NESTErrors.KernelException(f"Recording from a {post.name} is only possible in single-threaded mode.")
        return "states"
    if issubclass(post.core, Recorder):
        current = issubclass(pre.core, Drive) and pre.core.kind == "current"
        if post.records != "spikes" or current:
            raise impossible(f"Cannot connect {pre.name} to {post.name}: it does not take what that sends.")
        if not model.core.static:
            _check_listened(pre, post, model)
        return "spikes"
    if issubclass(post.core, Neuron) and not post.core.sends:
        if issubclass(pre.core, Device) and not post.core.emits:
            raise impossible(f"Cannot connect {pre.name} to {post.name}: no device may be connected to it.")
        if model.core.reads_post:
            raise impossible(f"Cannot connect to {post.name} by {model.name}: it does not support STDP synapses.")
    if not issubclass(post.core, Neuron):
        raise impossible(f"Cannot connect {pre.name} to {post.name}: it takes no input.")
    if post.core.teaches and model.core.reads_post:
        raise impossible(f"Cannot connect to {post.name} by {model.name}: it does not support STDP synapses.")
    if post.core.routing is Routing.NONE:
        current = issubclass(pre.core, Drive) and pre.core.kind == "current"
        raise impossible(f"The target node or synapse model does not support {'current' if current else 'spike'} input.")
    if issubclass(pre.core, Device) and not model.core.static:
        raise impossible(f"Cannot connect {pre.name} by {model.name}: use a parrot_neuron between.")
    if issubclass(pre.core, Drive):
        if pre.core.kind == "current" and not post.core.accepts_current:
            raise impossible(f"Cannot connect {pre.name} to {post.name}: it takes no current.")
        return "current_in" if pre.core.kind == "current" else "spikes_in"
    assert issubclass(pre.core, (Neuron, Source))
    if model.core.eager and post.core.teaches != model.core.eager:
        raise impossible(f"The target node {post.name} does not support {model.name}.")
    return "neurons"


def _check_listened(pre: Any, post: Any, model: SynapseModel) -> None:
    """A recorder that listens by a synapse with dynamics. **Raises:** `IllegalConnection`; `NotImplemented`."""
    if issubclass(pre.core, Device) or model.core.reads_post:
        raise impossible(f"Cannot connect {pre.name} to {post.name} by {model.name}.")
    if model.core.stochastic or model.weight_recorder is not None:
        what = "lose spikes at random" if model.core.stochastic else "have a weight_recorder"
        raise NESTErrors.NotImplemented(
            f"{model.name}: connections to recorders can {what} in NEST, jaxnest does not have that yet."
        )


def _check_modulated(kernel: Kernel, model: SynapseModel, spec: Mapping[str, Any]) -> None:
    """**Raises:** `BadProperty` without a volume_transmitter; `NotImplemented` for values that NEST cannot set in parallel."""
    own = [k for k in spec if k in ("c", "n")]
    if own and kernel.settings.values["total_num_virtual_procs"] > 1:
        text = f"With several threads, Connect doesn't set {own[0]} of {model.name}: use SetDefaults."
        raise NESTErrors.NotImplemented(text)
    if model.volume_transmitter is None:
        raise NESTErrors.BadProperty("No volume transmitter has been assigned to the dopamine synapse.")


def _check_receptor(post: Any, receptor: Any, block: Any, places: np.ndarray, kind: str, model: SynapseModel) -> None:
    low, high = int(np.min(receptor)), int(np.max(receptor))
    if kind == "current_in":
        if low < 0 or high >= post.core.current_receptors:
            raise NESTErrors.UnknownReceptorType(f"Receptor type {high} is not available in {post.name}.")
        return
    if issubclass(model.core, Coupling) and model.core.signal in post.core.signal_ports:
        if low < 1 or high > len(post.core.signal_ports[model.core.signal]):
            raise NESTErrors.UnknownReceptorType(f"Receptor type {low if low < 1 else high} is not available in {post.name}.")
        return
    if post.core.routing is Routing.PORTS:
        ports = np.array([len(block.value("tau_syn", int(p))) for p in np.unique(places)])
        if low < 1 or high > ports.min():
            raise NESTErrors.IncompatibleReceptorType(
                f"Receptor type {low if low < 1 else high} in {post.name} is not compatible: it must be in 1 ... {ports.min()}."
            )
    elif post.core.routing is Routing.COUNT:
        if low < 0 or high > post.core.sends:
            raise NESTErrors.UnknownReceptorType(f"Receptor type {high} is not available in {post.name}.")
    elif low != 0 or high != 0:
        raise NESTErrors.UnknownReceptorType(f"Receptor type {high or low} is not available in {post.name}.")


__all__ = ["CollocatedSynapses", "connect", "connect_arrays", "rounded"]
