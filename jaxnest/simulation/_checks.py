"""What `Network` checks before it takes something in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest._declare import Declared, check_together, nearest
from jaxnest._time import as_steps, steps_up
from jaxnest.connectivity import rules
from jaxnest.connectivity.sampling import Drawing
from jaxnest.connectivity.values import PerConnection, smallest_unsigned
from jaxnest.devices._base import Device, Drive, Recorder, Source
from jaxnest.devices.recorders import multimeter, spike_recorder, weight_recorder
from jaxnest.devices.volume_transmitter import volume_transmitter
from jaxnest.errors import ConfigurationError
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.synapses._base import Coupling, Synapse

if TYPE_CHECKING:
    from jaxnest.simulation._network import Nodes, Population


def role(pop: Population) -> str:
    for role, base in (("recorder", Recorder), ("drive", Drive), ("source", Source)):
        if issubclass(pop.model, base):
            return role
    return "neuron"


def lookup(model: Any, registry: Mapping[str, type], base: type, what: str) -> Any:
    if isinstance(model, type) and issubclass(model, base):
        return model
    if model in registry:
        return registry[model]
    raise ConfigurationError(f"unknown {what} {model!r}; {nearest(str(model), list(registry))}")


def free(base: str, taken: set[str]) -> str:
    return next(f"{base}_{i}" for i in range(2, len(taken) + 3) if f"{base}_{i}" not in taken)


def split(
    cls: type[Declared], owner: str, n: int, params: Mapping[str, Any], h: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that a device reads by itself (spike times, record_from …), and the plain parameters."""
    wanted = getattr(cls, "options", {})
    options = {k: params[k] for k in params if k in wanted}
    return (
        cls.read_options(owner, n, options, h) if wanted else {},  # type: ignore[attr-defined]
        {k: v for k, v in params.items() if k not in wanted},
    )


def on_grid(
    cls: type[Declared], owner: str, values: Mapping[str, np.ndarray], h: float, rounded: bool
) -> dict[str, np.ndarray]:
    """`values` of a model's parameters, where times of devices must lie on the grid; the elements of lists of times are
    `rounded` up to it if so asked.

    **Raises:** `ConfigurationError` for a time off the grid.
    """
    values = dict(values)
    if issubclass(cls, Neuron) and not issubclass(cls, Device):
        return values
    for key, parameter in cls.parameters.items():
        if parameter.unit != "ms":
            continue
        finite = np.isfinite(values[key])
        if parameter.dim is not None and rounded:
            values[key] = values[key].copy()
            values[key][finite] = steps_up(f"{owner}.{key}", values[key][finite], h) * h
        else:
            as_steps(f"{owner}.{key}", values[key][finite], h)
    check_together(cls, owner, values)
    return values


def as_frozen(model: type[Any], owner: str, n: int, given: Any) -> np.ndarray | None:
    """Which of `n` nodes are frozen, (n,), None if none is.

    **Raises:** `ConfigurationError` for another shape or dtype, and for models that cannot be frozen.
    """
    mask = np.asarray(given)
    if mask.dtype != bool or mask.shape not in ((), (n,)):
        raise ConfigurationError(f"{owner}.frozen={given!r} must be True or False, or one of them for each of {n} nodes")
    if not mask.any():
        return None
    if issubclass(model, Recorder) or not model.sends:
        raise ConfigurationError(f"{owner}: a {model.name} cannot be frozen")
    return np.broadcast_to(mask, n)


def check_receptor(
    name: str, post: Nodes, receptor: Any, drives: list[Population], drawing: Drawing, model: type[Synapse]
) -> np.ndarray:
    heard = [_signal_ports(pop, model) for pop, _ in post]
    ports = {pop.dims[pop.model.ports_dim] for pop, _ in post if _routing(pop) is Routing.PORTS}  # type: ignore[attr-defined]
    current = bool(drives) and all(d.model.kind == "current" for d in drives)  # type: ignore[attr-defined]
    value = np.asarray(0 if receptor is None else receptor)
    if not np.issubdtype(value.dtype, np.integer) or (value.ndim and value.shape != (len(drawing),)):
        raise ConfigurationError(
            f"{name}.receptor={receptor!r} must be an integer, or {len(drawing)} of them, one a connection"
        )
    if current:
        deaf = [pop for pop, _ in post if not pop.model.accepts_current]  # type: ignore[attr-defined]
        if deaf:
            raise ConfigurationError(f"{name}: {deaf[0]!r} takes no current; connect the generator to other neurons")
        highest = min(pop.model.current_receptors for pop, _ in post) - 1  # type: ignore[attr-defined]
        if (value < 0).any() or (value > highest).any():
            raise ConfigurationError(f"{name}.receptor={receptor!r}: currents to {post.parts[0][0]!r} take 0 ... {highest}")
    elif any(heard):
        if (value < 1).any() or (value > min(map(len, heard))).any():
            raise ConfigurationError(f"{name}.receptor={receptor!r} must be in 1 ... {max(map(len, heard))}: {heard[0]}")
    elif ports:
        highest = min(ports)
        if len({_routing(pop) for pop, _ in post}) > 1:
            raise ConfigurationError(f"{name}: connect populations with and without receptor ports separately")
        if (value < 1).any() or (value > highest).any():
            raise ConfigurationError(f"{name}.receptor={receptor!r} must be in 1 ... {highest}: the model has ports")
    elif all(_routing(pop) is Routing.COUNT for pop, _ in post):
        if value.any() and not all(pop.model.sends for pop, _ in post):  # type: ignore[attr-defined]
            raise ConfigurationError(f"{name}.receptor={receptor!r}: {post.parts[0][0]!r} has no receptors; leave it out")
        if ((value != 0) & (value != 1)).any():
            raise ConfigurationError(f"{name}.receptor={receptor!r} must be 0, or 1 for spikes that are not repeated")
    elif value.any():
        raise ConfigurationError(f"{name}.receptor={receptor!r}: the target has no ports; leave it out")
    return value.astype(smallest_unsigned(value.max(initial=0)))


def _signal_ports(pop: Population, model: type[Synapse]) -> tuple[str, ...]:
    """The channels, by receptor, in which a population hears what couplings of a model carry; () if it is not by receptor."""
    return pop.model.signal_ports.get(model.signal, ()) if issubclass(model, Coupling) else ()  # type: ignore[attr-defined, no-any-return]


def _routing(pop: Population) -> Routing:
    return pop.model.routing  # type: ignore[attr-defined, no-any-return]


def check_modulator(
    known: Sequence[Population], name: str, pre: Nodes, post: Nodes, model: type[Synapse], given: Population | Nodes | None
) -> Nodes | None:
    """The volume transmitter of a projection, as a selection of one node.

    **Raises:** `ConfigurationError` if the synapse `model` needs one and has none, or needs none, or that is no such; and if volume
    transmitters are connected as what they are not.
    """
    from jaxnest.simulation._network import Nodes

    deaf = [pop for pop, _ in pre if issubclass(pop.model, Neuron) and not (pop.model.sends or pop.model.emits)]
    if deaf:
        raise ConfigurationError(f"{name}: {deaf[0]!r} sends no spikes; give it as modulator= of a projection")
    if model.reads_post and any(pop.model.teaches or not pop.model.sends for pop, _ in post):  # type: ignore[attr-defined]
        raise ConfigurationError(f"{name}: {model.name} needs targets that spike; use a static_synapse")
    if not model.reads_modulator:
        if given is not None:
            raise ConfigurationError(f"{name}: {model.name} has no modulator; leave it out")
        return None
    if given is None:
        raise ConfigurationError(f"{name}: {model.name} needs modulator=, a volume_transmitter")
    node = Nodes.of(given)
    if len(node) != 1:
        raise ConfigurationError(f"{name}: modulator={given!r} has {len(node)} nodes; give one")
    pop = next(pop for pop, index in node if len(index))
    if pop not in known:
        raise ConfigurationError(f"{pop!r} belongs to another network")
    if pop.model is not volume_transmitter:
        raise ConfigurationError(f"{name}: modulator={given!r} is no volume_transmitter")
    return node


def check_coupling(name: str, pre: Nodes, post: Nodes, model: type[Synapse], given: Mapping[str, Any]) -> None:
    """**Raises:** `ConfigurationError` if the sources do not send what the targets hear by connections of `model`, or if values are `given`
    that it does not have."""
    if not issubclass(model, Coupling):
        mute = [pop for pop, _ in pre if issubclass(pop.model, Neuron) and pop.model.emits and not pop.model.sends]
        deaf = [pop for pop, _ in post if _routing(pop) is Routing.NONE]
        check_eager(name, pre, post, model)
        if mute or deaf:
            which = f"{mute[0]!r} sends" if mute else f"{deaf[0]!r} hears"
            raise ConfigurationError(f"{name}: {which} no spikes, which {model.name} passes on; use a coupling")
        return
    for pop, _ in pre:
        if not issubclass(pop.model, Neuron) or model.signal not in pop.model.emits:
            raise ConfigurationError(f"{name}: {pop!r} sends no {model.signal!r}, which {model.name} carries")
    for pop, _ in post:
        ports = _signal_ports(pop, model)
        if not (ports or set(model.channels) <= set(pop.model.hears)) or (ports and not model.delayed):  # type: ignore[attr-defined]
            raise ConfigurationError(f"{name}: {pop!r} does not hear what {model.name} carries")
    for key, has in (("weight", model.weighted), ("delay", model.delayed)):
        if not has and given[key] is not None:
            raise ConfigurationError(f"{name}.{key}={given[key]!r}: {model.name} has no {key}; leave it out")
    new = [pop for pop, _ in pre if pop.model.emits_new]  # type: ignore[attr-defined]
    if new and not model.delayed:
        raise ConfigurationError(f"{name}: {new[0]!r} sends what it has at the end of a step, which {model.name} cannot carry")
    by_receptor = any(_signal_ports(pop, model) for pop, _ in post)
    for key in ("weight_recorder",) if by_receptor else ("receptor", "weight_recorder"):
        if given[key] is not None:
            raise ConfigurationError(f"{name}.{key}={given[key]!r}: {model.name} has none; leave it out")


def check_symmetric(name: str, model: type[Synapse], pre: Nodes, post: Nodes, drawing: Drawing, weights: PerConnection) -> None:
    """**Raises:** `ConfigurationError` if connections of a `model` that goes both ways do not."""
    if not (issubclass(model, Coupling) and model.symmetric):
        return
    sources, targets = drawing.pairs()
    ends = np.stack([pre.ids[sources], post.ids[targets]])
    weight = np.broadcast_to(weights.all(), len(sources))
    there, back = (np.lexsort((weight, *each)) for each in (ends, ends[::-1]))
    if not ((ends[:, there] == ends[::-1, back]).all() and (weight[there] == weight[back]).all()):
        raise ConfigurationError(
            f"{name}: a {model.name} goes both ways: connect with make_symmetric=True, or a population with itself, all to all, with one weight"
        )


def check_eager(name: str, pre: Nodes, post: Nodes, model: type[Synapse]) -> None:
    """**Raises:** `ConfigurationError` if targets do not teach what synapses of the `model` learn, or if a node is frozen, whose time stands still."""
    if not model.eager:
        return
    for pop, _ in post:
        if pop.model.teaches != model.eager:  # type: ignore[attr-defined]
            raise ConfigurationError(f"{name}: {pop!r} does not support {model.name}")
    frozen = [pop for pop, _ in (*pre, *post) if pop.frozen is not None]
    if frozen:
        raise ConfigurationError(f"{name}: {frozen[0]!r} is frozen, which {model.name} does not allow")


def check_one_step(name: str, post: Nodes, model: type[Synapse], delays: PerConnection) -> None:
    """**Raises:** `ConfigurationError` if the delays (in steps) of synapses that learn in every step, or of signals to what teaches them, are
    not one step. (NEST takes other delays of such signals, but does not heed them.)"""
    heard = issubclass(model, Coupling) and any(pop.model.teaches for pop, _ in post)  # type: ignore[attr-defined]
    if (model.eager or heard) and (delays.all() != 1).any():
        raise ConfigurationError(f"{name}: {model.name} to {post.parts[0][0]!r} needs a delay of one step")


def synapse_values(
    name: str, model: type[Synapse], params: Mapping[str, Any], per_connection: Callable[..., PerConnection]
) -> dict[str, PerConnection]:
    """The parameters and initial states of synapses.

    **Raises:** `ConfigurationError` for an unknown name, a wrong shape, a value out of bounds.
    """
    known = {**model.parameters, **{k: v for k, v in model.states.items() if k not in ("weight", *model.inner)}}
    values: dict[str, PerConnection] = {}
    for raw, value in params.items():
        key = raw.rstrip("_")
        if key not in known:
            raise ConfigurationError(f"{name}: {model.name} has no parameter {key!r}; {nearest(key, list(known))}")
        given = per_connection(key, value, 3, list(known).index(key))
        _check_bounds(given, known[key], given.first(), key in model.whole)
        values[key] = common(model, given) if key in model.common else given
    return values


def _check_bounds(value: PerConnection, declared: Any, array: np.ndarray, whole: bool) -> None:
    fault = declared.fault(array)
    if whole and not fault and np.any(array % 1):
        fault = "must be a whole number"
    if fault:
        raise ConfigurationError(f"{value.what}={value.given!r} {fault}")


def common(model: type[Synapse], value: PerConnection) -> PerConnection:
    """A value that all synapses share."""
    one = value.only()
    if one is None:
        raise ConfigurationError(f"{value.what} is common to all synapses of {model.name}: give one number")
    return one


def synapses_of_chunk(
    name: str, model: type[Synapse], values: Mapping[str, PerConnection], weights: PerConnection, k: int, n: int
) -> dict[str, np.ndarray]:
    """The values of the `n` synapses of chunk k, () or (n,), their weights among them.

    **Raises:** `ConfigurationError` if values that are drawn break what is required of them.
    """
    known = {**model.parameters, **model.states}
    given = {**values, "weight": weights}
    chunk = {key: v.chunk(k, n) for key, v in given.items()}
    for key, v in values.items():
        if v.drawn:
            _check_bounds(v, known[key], chunk[key], key in model.whole)
    if any(v.drawn for v in given.values()):
        check_synapses(name, model, chunk)
    return chunk


def check_synapses(name: str, model: type[Synapse], given: Mapping[str, np.ndarray]) -> None:
    """Check what the values of synapses (their weights among them) must satisfy together.

    **Raises:** `ConfigurationError` if they break it.
    """
    values = {key: np.asarray(p.default) for key, p in model.parameters.items()}
    values.update({key: np.asarray(s.init) for key, s in model.states.items() if isinstance(s.init, (int, float))})
    check_together(model, name, {**values, **given})


def recorded(pre: Nodes, post: Nodes, rule: Any) -> tuple[Population, Nodes]:
    """A recorder and what it records; spikes flow to a spike_recorder, a multimeter asks its targets."""
    if rule is not None and rules.rule_from(rule).name != "all_to_all":
        raise ConfigurationError("a recorder records all that it is connected to: leave the rule out")
    recorders = [pop for pop, _ in (*pre.parts, *post.parts) if role(pop) == "recorder"]
    recorder = recorders[0]
    observing = issubclass(recorder.model, multimeter)
    ask, asked = (pre, post) if observing else (post, pre)
    if len(recorders) > 1 or len(ask.parts) > 1 or recorder not in [pop for pop, _ in ask]:
        direction = "connect(recorder, neurons)" if observing else "connect(neurons, recorder)"
        raise ConfigurationError(f"{recorder.name}: use {direction}, one recorder a call")
    if recorder.model is weight_recorder:
        raise ConfigurationError(f"{recorder.name}: give it as weight_recorder= of a projection")
    for pop, _ in asked:
        sends = issubclass(pop.model, Neuron) and (observing or pop.model.sends)
        fine = sends or (recorder.model is spike_recorder and role(pop) in ("source", "drive"))
        if not fine or (role(pop) == "drive" and pop.model.kind != "spikes"):  # type: ignore[attr-defined]
            raise ConfigurationError(f"{recorder.name} ({recorder.model.name}) cannot record {pop!r}")
        if observing:
            known = list(pop.model.readable(pop.dims))  # type: ignore[attr-defined]
            for field_ in recorder.options["record_from"]:
                if field_ not in known:
                    raise ConfigurationError(
                        f"{recorder.name}: {pop.model.name} has no recordable {field_!r}; {nearest(field_, known)}"
                    )
    return recorder, asked
