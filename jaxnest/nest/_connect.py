"""`Connect`: from collections, conn_spec and syn_spec to batches of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest.devices._base import Drive, Recorder, Source
from jaxnest.nest._errors import NESTErrors, type_mismatch, unread_keys
from jaxnest.nest._kernel import Kernel
from jaxnest.nest._ledger import Batch, synapse_check
from jaxnest.nest._models import SynapseModel
from jaxnest.nest._nodes import NodeCollection
from jaxnest.nest._parameters import Context, Parameter
from jaxnest.nest._spatial_wiring import spatial_pairs
from jaxnest.nest._wiring import check_spec, pairs
from jaxnest.neurons._base import Neuron, Routing


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
    if isinstance(conn_spec, str):
        conn_spec = {"rule": conn_spec}
    conn_spec = {"rule": "all_to_all"} if conn_spec is None else conn_spec
    specs = list(syn_spec.syn_specs) if isinstance(syn_spec, CollocatedSynapses) else [syn_spec]
    specs = [_spec(s) for s in specs]
    models = [kernel.synapse_model(s.get("synapse_model", "static_synapse")) for s in specs]
    spatial = isinstance(conn_spec.get("p"), Parameter) or "mask" in conn_spec or "use_on_source" in conn_spec
    if spatial:
        _check_spatial(specs)
        found = _in_space(kernel, pre, post, conn_spec)
    else:
        conn_spec = check_spec(conn_spec)
        found = _by_rule(kernel, pre, post, conn_spec)
    batches = []
    for model, spec in zip(models, specs, strict=True):
        batches += _batches(kernel, found, model, spec)
        if conn_spec.get("make_symmetric") and conn_spec["rule"] in ("one_to_one", "all_to_all"):
            batches += _batches(kernel, _mirrored(found, spec), model, spec)
    for batch in batches:
        kernel.add_batch(batch)


def connect_arrays(kernel: Kernel, pre: np.ndarray, post: np.ndarray, syn_spec: Any) -> None:
    """Connect the i-th of `pre` with the i-th of `post` (IDs, which may repeat)."""
    spec = _spec(syn_spec)
    model = kernel.synapse_model(spec.get("synapse_model", "static_synapse"))
    for ids in (pre, post):
        unknown = ids[(ids < 1) | (ids > kernel.size)]
        if len(unknown):
            raise NESTErrors.UnknownNode(f"Node with id {unknown[0]} does not exist.")
    place = np.arange(len(pre))
    found = Found(place, place, pre, post, None, (len(pre),), "arrays")
    for batch in _batches(kernel, found, model, spec):
        kernel.add_batch(batch)


def _spec(spec: Any) -> dict[str, Any]:
    if spec is None:
        return {}
    if isinstance(spec, str):
        return {"synapse_model": spec}
    if not isinstance(spec, Mapping):
        raise TypeError("syn_spec must be a string, dict or CollocatedSynapses object")
    return dict(spec)


def _check_spatial(specs: list[dict[str, Any]]) -> None:
    allowed = ("weight", "delay", "synapse_model", "synapse_label", "receptor_type")
    for spec in specs:
        for key in spec:
            if key not in allowed:
                raise ValueError(f"'{key}' is not allowed in syn_spec when connecting with mask or kernel")


def _in_space(kernel: Kernel, pre: NodeCollection, post: NodeCollection, conn_spec: Mapping[str, Any]) -> Found:
    options = {k: v for k, v in conn_spec.items() if k != "rule"}
    p = spatial_pairs(conn_spec["rule"], pre, post, options, kernel.rng)
    assert pre._layer is not None and post._layer is not None and pre._places is not None and post._places is not None
    context = Context(
        n=len(p.pre),
        rng=kernel.rng,
        sources=pre._layer.positions[pre._places[p.pre]],
        targets=post._layer.positions[post._places[p.post]],
        displacement=p.displacement,
    )
    return Found(p.pre, p.post, pre._ids[p.pre], post._ids[p.post], context, None, conn_spec["rule"])


def _by_rule(kernel: Kernel, pre: NodeCollection, post: NodeCollection, spec: Mapping[str, Any]) -> Found:
    source, target = pairs(spec, pre._ids, post._ids, kernel.rng)
    context = None
    if pre._layer is not None and post._layer is not None and pre._places is not None and post._places is not None:
        sources, targets = pre._layer.positions[pre._places[source]], post._layer.positions[post._places[target]]
        displacement = post._layer.displacement(sources, targets) if sources.shape == targets.shape else None
        context = Context(len(source), kernel.rng, sources=sources, targets=targets, displacement=displacement)
    rule = spec["rule"]
    shapes: dict[str, tuple[int, ...]] = {
        "one_to_one": (len(pre),),
        "all_to_all": (len(post), len(pre)),
    }
    if rule == "fixed_total_number" and not isinstance(spec["N"], Parameter):
        shapes[rule] = (spec["N"],)
    for name, key, n in (("fixed_indegree", "indegree", len(post)), ("fixed_outdegree", "outdegree", len(pre))):
        if rule == name and not isinstance(spec[key], Parameter):
            shapes[name] = (n, spec[key])
    return Found(source, target, pre._ids[source], post._ids[target], context, shapes.get(rule), rule)


def _mirrored(found: Found, spec: Mapping[str, Any]) -> Found:
    for key, value in spec.items():
        if key != "synapse_model" and (isinstance(value, Parameter) or np.ndim(value)):
            raise NESTErrors.NotImplemented(f"Connections made both ways need one {key} for all.")
    return Found(found.target, found.source, found.post, found.pre, None, found.shape, found.rule)


def _batches(kernel: Kernel, found: Found, model: SynapseModel, spec: Mapping[str, Any]) -> list[Batch]:
    """The connections with one synapse model, one batch for each kind of sources and targets."""
    known = {"synapse_model", "synapse_label", "receptor_type", "weight", "delay", *model.parameters}
    unknown = [k for k in spec if k not in known and k not in model.core.common]
    if unknown:
        raise unread_keys("syn_spec", "Connect", unknown)
    if "synapse_label" in spec and not model.labelled:
        raise NESTErrors.NotImplemented(
            f"{model.name}: only synapse models whose names end in _lbl take a synapse_label."
        )
    common = [k for k in spec if k in model.core.common]
    if common:
        raise NESTErrors.NotImplemented(f"{common[0]} is common to all {model.name}: set it by SetDefaults or CopyModel.")
    n = len(found.source)
    h = kernel.resolution
    weight = _value(kernel, found, "weight", spec.get("weight", model.defaults["weight"]))
    if not np.isfinite(np.asarray(weight, float)).all():
        raise NESTErrors.BadProperty("weight must be finite.")
    delay = rounded(_value(kernel, found, "delay", spec.get("delay", model.defaults["delay"])), h)
    if n:
        kernel.check_delays(float(np.min(delay)), float(np.max(delay)))
    receptor = spec.get("receptor_type", model.defaults["receptor_type"])
    receptor = _integers(kernel, found, "receptor_type", receptor)
    label = _integers(kernel, found, "synapse_label", spec.get("synapse_label", -1))
    values = {k: _value(kernel, found, k, spec[k] if k in spec else model.defaults[k]) for k in model.parameters}
    synapse_check(model, {**values, "weight": weight})
    columns = {"weight": weight, "delay": delay, "receptor": receptor, "label": label}
    out = []
    for kind, chosen in _kinds(kernel, found, model, receptor):
        pick = slice(None) if chosen is None else chosen
        own = {k: v if np.ndim(v) == 0 else v[pick] for k, v in {**columns, **values}.items()}
        head = {k: own.pop(k) for k in columns}
        pre, post = (x[pick].astype(np.int32) for x in (found.pre, found.post))
        if kind == "states":
            head["receptor"] = 1
        out.append(Batch(model, pre, post, **head, values=own, kind=kind))
    return out


def rounded(delay: Any, h: float) -> Any:
    """Delays on the grid of `h`, half a step rounded up."""
    delay = np.asarray(delay, float)
    out = np.round(np.floor(delay / h + 0.5 + 1e-9) * h, 9)
    return float(out) if out.ndim == 0 else out


def _value(kernel: Kernel, found: Found, key: str, value: Any) -> Any:
    """A float for all connections, or an array (n,)."""
    n = len(found.source)
    if isinstance(value, Parameter):
        context = found.context if found.context is not None else Context(n=n, rng=kernel.rng)
        return value.draw(context)
    if isinstance(value, (str, bool)) or value is None:
        raise type_mismatch(key, value, "double")
    try:
        array = np.asarray(value, float)
    except (TypeError, ValueError):
        raise type_mismatch(key, value, "double") from None
    if array.ndim == 0:
        return float(array)
    if found.shape is None:
        raise NESTErrors.BadProperty(f"An array of {key} needs a rule with a fixed number of connections, not {found.rule}.")
    if array.shape != found.shape:
        if array.ndim > len(found.shape):
            raise NESTErrors.BadProperty(f"{key}: {array.shape} does not fit {found.shape}.")
        raise NESTErrors.BadProperty(f"{key} must have the shape {found.shape}, not {array.shape}.")
    if found.rule == "all_to_all":
        return array[found.target, found.source]
    flat = array.ravel()
    return flat[found.source] if found.rule in ("one_to_one", "arrays") else flat


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
        kind = _kind(pre, post, model)
        if kind in ("neurons", "spikes_in", "current_in"):
            _check_receptor(post, mine, kernel.blocks[combo % len(firsts)], places, kind)
        kinds.setdefault(kind, []).append(k)
    if len(kinds) == 1:
        return [(next(iter(kinds)), None)]
    return [(kind, np.flatnonzero(np.isin(which, mine))) for kind, mine in kinds.items()]


def _kind(pre: Any, post: Any, model: SynapseModel) -> str:
    """"neurons" (from a neuron or spike source), "spikes_in" and "current_in" (from other generators), "spikes", "states"
    (to and from recorders)."""
    if issubclass(pre.core, Recorder):
        if pre.records != "states" or not post.recordables():
            raise NESTErrors.IllegalConnection(f"Cannot connect {pre.name} to {post.name}: a recorder sends nothing there.")
        if not model.core.static or model.core.name != "static_synapse":
            raise NESTErrors.IllegalConnection(f"Cannot connect {pre.name} with {model.name}.")
        if post.element_type != "neuron":
            raise NESTErrors.NotImplemented(f"NEST can record the current of a {post.name}, jaxnest does not yet.")
        return "states"
    if issubclass(post.core, Recorder):
        current = issubclass(pre.core, Drive) and pre.core.kind == "current"
        if post.records != "spikes" or current:
            raise NESTErrors.IllegalConnection(f"Cannot connect {pre.name} to {post.name}: it does not take what that sends.")
        if not model.core.static:
            raise NESTErrors.IllegalConnection(f"Creation of connection is not possible: {model.name} to a {post.name}.")
        return "spikes"
    if not issubclass(post.core, Neuron):
        raise NESTErrors.IllegalConnection(f"Cannot connect {pre.name} to {post.name}: it takes no input.")
    if issubclass(pre.core, Drive):
        if not model.core.static:
            raise NESTErrors.IllegalConnection(f"Cannot connect {pre.name} by {model.name}: use a parrot_neuron between.")
        if pre.core.kind == "current" and not post.core.accepts_current:
            raise NESTErrors.IllegalConnection(f"Cannot connect {pre.name} to {post.name}: it takes no current.")
        return "current_in" if pre.core.kind == "current" else "spikes_in"
    assert issubclass(pre.core, (Neuron, Source))
    return "neurons"


def _check_receptor(post: Any, receptor: Any, block: Any, places: np.ndarray, kind: str) -> None:
    low, high = int(np.min(receptor)), int(np.max(receptor))
    if kind == "current_in":
        if low < 0 or high >= post.core.current_receptors:
            raise NESTErrors.UnknownReceptorType(f"Receptor type {high} is not available in {post.name}.")
        return
    if post.core.routing is Routing.PORTS:
        ports = np.array([len(block.value("tau_syn", int(p))) for p in np.unique(places)])
        if low < 1 or high > ports.min():
            raise NESTErrors.IncompatibleReceptorType(
                f"Receptor type {low if low < 1 else high} in {post.name} is not compatible: it must be in 1 ... {ports.min()}."
            )
    elif post.core.routing is Routing.COUNT:
        if low < 0 or high > 1:
            raise NESTErrors.UnknownReceptorType(f"Receptor type {high} is not available in {post.name}.")
    elif low != 0 or high != 0:
        raise NESTErrors.UnknownReceptorType(f"Receptor type {high or low} is not available in {post.name}.")


__all__ = ["CollocatedSynapses", "connect", "connect_arrays", "rounded"]
