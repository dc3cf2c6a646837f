"""The description of a network: populations, devices and projections. A plain value: nothing runs here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest._declare import Declared, check_together, nearest, resolve
from jaxnest._time import as_steps, steps_up
from jaxnest.connectivity import rules
from jaxnest.connectivity.distributions import Distribution, delay_steps, sample
from jaxnest.devices import devices
from jaxnest.devices._base import Drive, Recorder, Source
from jaxnest.devices.recorders import multimeter, spike_recorder, weight_recorder
from jaxnest.errors import ConfigurationError
from jaxnest.neurons import neurons
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.synapses import synapses
from jaxnest.synapses._base import Synapse

if TYPE_CHECKING:
    from jaxnest.simulation._program import Program


@dataclass(frozen=True, eq=False)
class Population:
    """`n` nodes of one model, as `Network.create` returns them. Index, slice or add it to select nodes."""

    name: str
    model: type[Declared]
    n: int
    first: int
    values: Mapping[str, np.ndarray]
    dims: Mapping[str, int]
    given: frozenset[str]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: Any) -> Nodes:
        return Nodes(((self, np.atleast_1d(np.arange(self.n, dtype=np.int32)[index])),))

    def __add__(self, other: Population | Nodes) -> Nodes:
        return Nodes.of(self) + other

    def __radd__(self, other: Any) -> Nodes:
        return Nodes.of(self) if other == 0 else NotImplemented  # so that sum(populations) works

    def __repr__(self) -> str:
        return f"<{self.name}: {self.n} {self.model.name}>"


@dataclass(frozen=True, eq=False)
class Nodes:
    """An ordered selection of nodes: pairs (population, local indices)."""

    parts: tuple[tuple[Population, np.ndarray], ...]

    @staticmethod
    def of(nodes: Population | Nodes) -> Nodes:
        """`nodes` as a selection.

        **Raises:** `ConfigurationError` if it is neither a population nor a selection of nodes.
        """
        if isinstance(nodes, Population):
            return Nodes(((nodes, np.arange(nodes.n, dtype=np.int32)),))
        if isinstance(nodes, Nodes):
            return nodes
        raise ConfigurationError(f"{nodes!r} is no population; give what Network.create returned, or a part of it")

    def __add__(self, other: Population | Nodes) -> Nodes:
        return Nodes(self.parts + Nodes.of(other).parts)

    def __radd__(self, other: Any) -> Nodes:
        return self if other == 0 else NotImplemented  # so that sum(populations) works

    def __len__(self) -> int:
        return sum(len(index) for _, index in self.parts)

    def __iter__(self) -> Iterator[tuple[Population, np.ndarray]]:
        return iter(self.parts)

    @property
    def ids(self) -> np.ndarray:
        """Global identities of the nodes, (n,) int32."""
        if not self.parts:
            return np.empty(0, np.int32)
        return np.concatenate([(pop.first + index).astype(np.int32) for pop, index in self.parts])


@dataclass(frozen=True, eq=False)
class Projection:
    """A set of connections, as `Network.connect` returns it.

    `sources` and `targets` (n,) int32 are positions in `pre` and `post`. `weight`, `delay` (in steps), `receptor` and
    the synapse parameters in `values` are single values or arrays (n,).
    """

    name: str
    number: int
    pre: Nodes
    post: Nodes
    rule: rules.Rule
    model: type[Synapse]
    sources: np.ndarray
    targets: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    receptor: np.ndarray
    values: Mapping[str, np.ndarray]
    weight_recorder: Population | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} {self.model.name}, {self.rule.name}>"


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorder and the nodes that it records."""

    recorder: Population
    nodes: Nodes


class Network:
    """A network of NEST's neurons, synapses and devices.

    **Arguments:** `h`: the resolution in ms. `seed`: of all that is drawn while building (connections, weights,
    parameters given as distributions).

    `create` and `connect` check what they get at once; a call that raises leaves the network as it was.
    """

    def __init__(self, h: float = 0.1, seed: int = 0) -> None:
        if not (np.isfinite(h) and h > 0) or abs(h * 1000 - round(h * 1000)) > 1e-6:
            raise ConfigurationError(f"h={h!r} must be a positive multiple of 0.001 ms")
        if not 0 <= int(seed) < 2**63:
            raise ConfigurationError(f"seed={seed!r} must be an integer in [0, 2**63)")
        self.h = float(h)
        self.seed = int(seed)
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.recordings: list[Recording] = []

    @property
    def size(self) -> int:
        """Number of nodes, devices included."""
        return sum(p.n for p in self.populations)

    def __getitem__(self, name: str) -> Population | Projection:
        known: dict[str, Population | Projection] = {p.name: p for p in self.populations}
        known.update({p.name: p for p in self.projections})
        if name not in known:
            raise ConfigurationError(f"no population or projection {name!r}; {nearest(name, list(known))}")
        return known[name]

    def generator(self, *path: int) -> np.random.Generator:
        """The counter-based generator of random numbers for one purpose, given by numbers."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *path])))

    def create(self, model: str | type[Declared], n: int = 1, *, name: str | None = None, **params: Any) -> Population:
        """Add `n` nodes of `model` (a name or a class) with parameters and initial states `params`.

        A value is a number, an array of shape (n,), or a distribution; for a vector parameter a list, or (n, k).

        **Raises:** `ConfigurationError` for an unknown model or parameter, a value out of bounds, a wrong shape.
        """
        cls = _lookup(model, {**neurons, **devices}, Declared, "model")
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
            raise ConfigurationError(f"n={n!r} must be a positive integer")
        taken = {p.name for p in self.populations}
        if name is None:
            name = cls.name if cls.name not in taken else _free(cls.name, taken)
        if name in taken or not name or "." in name:
            raise ConfigurationError(f"name={name!r} is taken, empty, or has a dot; choose another")
        n = int(n)
        owner = f"{name} ({cls.name})" if name != cls.name else name
        options, plain = _split(cls, owner, n, params, self.h)
        rng = self.generator(1, len(self.populations))
        values, dims = resolve(cls, owner, n, plain, rng)
        values = on_grid(cls, owner, values, self.h, bool(options.get("allow_offgrid_times")))
        pop = Population(name, cls, n, self.size, values, dims, frozenset(k.rstrip("_") for k in plain), options)
        self.populations.append(pop)
        return pop

    def connect(
        self,
        pre: Population | Nodes,
        post: Population | Nodes,
        rule: rules.Rule | str | Mapping[str, Any] | None = None,
        *,
        synapse: str | type[Synapse] = "static_synapse",
        weight: Any = None,
        delay: Any = None,
        receptor: Any = None,
        name: str | None = None,
        weight_recorder: Population | None = None,
        **params: Any,
    ) -> Projection | Recording:
        """Connect `pre` to `post` by `rule` (default: all to all), or a recorder to what it records.

        `weight` (pA, nS, mV: as the target's model says; default 1), `delay` (ms; default 1) and the synapse's
        parameters are numbers, arrays with one value a connection (in the order of the rule's pairs), or
        distributions; `receptor` is an integer or one a connection.

        **Raises:** `ConfigurationError` for anything that cannot be connected as asked.
        """
        pre, post = Nodes.of(pre), Nodes.of(post)
        for pop, _ in (*pre.parts, *post.parts):
            if pop not in self.populations:
                raise ConfigurationError(f"{pop!r} belongs to another network")
        kinds = {_role(pop) for pop, _ in pre}, {_role(pop) for pop, _ in post}
        if "recorder" in kinds[0] | kinds[1]:
            recording = _recording(pre, post, rule)
            self.recordings.append(recording)
            return recording
        if kinds[1] - {"neuron"}:
            raise ConfigurationError(f"{post.parts[0][0]!r} takes no input: connect to neurons")
        return self._project(pre, post, rule, synapse, weight, delay, receptor, name, weight_recorder, params)

    def _project(
        self,
        pre: Nodes,
        post: Nodes,
        rule: Any,
        synapse: Any,
        weight: Any,
        delay: Any,
        receptor: Any,
        name: str | None,
        recorder: Population | None,
        params: Mapping[str, Any],
    ) -> Projection:
        model = _lookup(synapse, synapses, Synapse, "synapse model")
        taken = {p.name for p in self.projections}
        if name is None:
            base = f"{'+'.join(p.name for p, _ in pre)}->{'+'.join(p.name for p, _ in post)}"
            name = base if base not in taken else _free(base, taken)
        if name in taken or "." in name:
            raise ConfigurationError(f"name={name!r} is taken or has a dot; choose another")
        drives = [pop for pop, _ in pre if issubclass(pop.model, Drive)]
        if drives and not model.static:
            raise ConfigurationError(
                f"{name}: {drives[0].name} drives its targets directly and cannot use {model.name}; put a parrot_neuron between"
            )
        weighted = [pop for pop, _ in pre if pop.options.get("weighted")]
        if weighted and not (model.static and recorder is None):
            raise ConfigurationError(
                f"{name}: {weighted[0].name} has spike_weights, which only a static_synapse without weight_recorder takes; "
                "put a parrot_neuron between"
            )
        if drives and len(drives) < len(pre.parts):
            raise ConfigurationError(f"{name}: connect generators and neurons separately")
        if recorder is not None and not (isinstance(recorder, Population) and recorder.model is weight_recorder):
            raise ConfigurationError(f"{name}: weight_recorder={recorder!r} is no weight_recorder of this network")
        if recorder is not None and drives:
            raise ConfigurationError(f"{name}: a weight_recorder cannot record a {drives[0].model.name}")
        drawn = rules.rule_from("all_to_all" if rule is None else rule)
        number = len(self.projections)
        sources, targets = drawn.draw(self.generator(2, number, 0), pre.ids, post.ids)
        n = len(sources)
        if weight is None:
            weight = getattr(drawn, "weight", None)
        weight = _per_connection(f"{name}.weight", 1.0 if weight is None else weight, n, self.generator(2, number, 1))
        delay = _per_connection(f"{name}.delay", 1.0 if delay is None else delay, n, self.generator(2, number, 2))
        delay = delay_steps(delay, self.h)
        receptor = _check_receptor(name, post, receptor, drives, n)
        if "weight" in model.common:
            weight = _common(f"{name}.weight", model, weight)
        values = _synapse_values(name, model, params, n, self.generator(2, number, 3))
        check_synapses(name, model, values, weight)
        projection = Projection(
            name, number, pre, post, drawn, model, sources, targets, weight, delay, receptor, values, recorder
        )
        self.projections.append(projection)
        return projection

    def compile(self, **options: Any) -> Program:
        """Lay out the program; see `jaxnest.Program` for the options."""
        from jaxnest.simulation._program import Program

        return Program(self, **options)


def _role(pop: Population) -> str:
    for role, base in (("recorder", Recorder), ("drive", Drive), ("source", Source)):
        if issubclass(pop.model, base):
            return role
    return "neuron"


def _lookup(model: Any, registry: Mapping[str, type], base: type, what: str) -> Any:
    if isinstance(model, type) and issubclass(model, base):
        return model
    if model in registry:
        return registry[model]
    raise ConfigurationError(f"unknown {what} {model!r}; {nearest(str(model), list(registry))}")


def _free(base: str, taken: set[str]) -> str:
    return next(f"{base}_{i}" for i in range(2, len(taken) + 3) if f"{base}_{i}" not in taken)


def _split(
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
    if issubclass(cls, Neuron):
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


def _per_connection(what: str, value: Any, n: int, rng: np.random.Generator) -> np.ndarray:
    """One value for each of `n` connections, or a single one for all, as float64."""
    if not isinstance(value, Distribution):
        try:
            value = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ConfigurationError(f"{what}={value!r} is no number, array or distribution") from None
        if not np.isfinite(value).all():
            raise ConfigurationError(f"{what}={value!r} must be finite")
        if value.ndim == 0:
            return value
    return sample(value, n, rng, name=what)


def _check_receptor(name: str, post: Nodes, receptor: Any, drives: list[Population], n: int) -> np.ndarray:
    ports = {pop.dims[pop.model.ports_dim] for pop, _ in post if _routing(pop) is Routing.PORTS}  # type: ignore[attr-defined]
    current = bool(drives) and all(d.model.kind == "current" for d in drives)  # type: ignore[attr-defined]
    value = np.asarray(0 if receptor is None else receptor)
    if not np.issubdtype(value.dtype, np.integer) or value.shape not in ((), (n,)):
        raise ConfigurationError(f"{name}.receptor={receptor!r} must be an integer, or {n} of them, one a connection")
    if current:
        deaf = [pop for pop, _ in post if not pop.model.accepts_current]  # type: ignore[attr-defined]
        if deaf:
            raise ConfigurationError(f"{name}: {deaf[0]!r} takes no current; connect the generator to other neurons")
        highest = min(pop.model.current_receptors for pop, _ in post) - 1  # type: ignore[attr-defined]
        if (value < 0).any() or (value > highest).any():
            raise ConfigurationError(f"{name}.receptor={receptor!r}: currents to {post.parts[0][0]!r} take 0 ... {highest}")
    elif ports:
        highest = min(ports)
        if len({_routing(pop) for pop, _ in post}) > 1:
            raise ConfigurationError(f"{name}: connect populations with and without receptor ports separately")
        if (value < 1).any() or (value > highest).any():
            raise ConfigurationError(f"{name}.receptor={receptor!r} must be in 1 ... {highest}: the model has ports")
    elif all(_routing(pop) is Routing.COUNT for pop, _ in post):
        if ((value != 0) & (value != 1)).any():
            raise ConfigurationError(f"{name}.receptor={receptor!r} must be 0, or 1 for spikes that are not repeated")
    elif value.any():
        raise ConfigurationError(f"{name}.receptor={receptor!r}: the target has no ports; leave it out")
    return value.astype(np.int32)


def _routing(pop: Population) -> Routing:
    return pop.model.routing  # type: ignore[attr-defined, no-any-return]


def _synapse_values(
    name: str, model: type[Synapse], params: Mapping[str, Any], n: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    known = {**model.parameters, **{k: v for k, v in model.states.items() if k not in ("weight", "w")}}
    values: dict[str, np.ndarray] = {}
    for raw, value in params.items():
        key = raw.rstrip("_")
        if key not in known:
            raise ConfigurationError(f"{name}: {model.name} has no parameter {key!r}; {nearest(key, list(known))}")
        checked = _per_connection(f"{name}.{key}", value, n, rng)
        fault = known[key].fault(checked)  # type: ignore[attr-defined]
        if fault:
            raise ConfigurationError(f"{name}.{key}={value!r} {fault}")
        values[key] = _common(f"{name}.{key}", model, checked) if key in model.common else checked
    return values


def _common(what: str, model: type[Synapse], value: np.ndarray) -> np.ndarray:
    """A value that all synapses share."""
    if value.ndim and (value != value[:1]).any():
        raise ConfigurationError(f"{what} is common to all synapses of {model.name}: give one number")
    return value[0] if value.ndim and len(value) else value


def check_synapses(name: str, model: type[Synapse], given: Mapping[str, np.ndarray], weight: np.ndarray) -> None:
    """Check what the values of synapses must satisfy together.

    **Raises:** `ConfigurationError` if they break it.
    """
    values = {key: np.asarray(p.default) for key, p in model.parameters.items()}
    values.update({key: np.asarray(s.init) for key, s in model.states.items() if isinstance(s.init, (int, float))})
    check_together(model, name, {**values, **given, "weight": np.asarray(weight)})


def _recording(pre: Nodes, post: Nodes, rule: Any) -> Recording:
    """A recorder and what it records; spikes flow to a spike_recorder, a multimeter asks its targets."""
    if rule is not None and rules.rule_from(rule).name != "all_to_all":
        raise ConfigurationError("a recorder records all that it is connected to: leave the rule out")
    recorders = [pop for pop, _ in (*pre.parts, *post.parts) if _role(pop) == "recorder"]
    recorder = recorders[0]
    observing = issubclass(recorder.model, multimeter)
    ask, asked = (pre, post) if observing else (post, pre)
    if len(recorders) > 1 or len(ask.parts) > 1 or recorder not in [pop for pop, _ in ask]:
        direction = "connect(recorder, neurons)" if observing else "connect(neurons, recorder)"
        raise ConfigurationError(f"{recorder.name}: use {direction}, one recorder a call")
    if recorder.model is weight_recorder:
        raise ConfigurationError(f"{recorder.name}: give it as weight_recorder= of a projection")
    for pop, _ in asked:
        fine = _role(pop) == "neuron" or (recorder.model is spike_recorder and _role(pop) in ("source", "drive"))
        if not fine or (_role(pop) == "drive" and pop.model.kind != "spikes"):  # type: ignore[attr-defined]
            raise ConfigurationError(f"{recorder.name} ({recorder.model.name}) cannot record {pop!r}")
        if observing:
            known = list(pop.model.readable(pop.dims))  # type: ignore[attr-defined]
            for field_ in recorder.options["record_from"]:
                if field_ not in known:
                    raise ConfigurationError(
                        f"{recorder.name}: {pop.model.name} has no recordable {field_!r}; {nearest(field_, known)}"
                    )
    return Recording(recorder, asked)
