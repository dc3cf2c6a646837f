"""The description of a network: populations, devices and projections. A plain value: nothing runs here."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest._declare import Declared, nearest, resolve
from jaxnest._time import TICS_PER_MS
from jaxnest.connectivity import rules
from jaxnest.connectivity.distributions import delay_steps
from jaxnest.connectivity.sampling import Drawing, Stream
from jaxnest.connectivity.values import PerConnection
from jaxnest.devices import devices
from jaxnest.devices._base import Drive
from jaxnest.devices.recorders import weight_recorder
from jaxnest.errors import ConfigurationError
from jaxnest.neurons import neurons
from jaxnest.simulation._checks import (
    as_frozen,
    check_coupling,
    check_modulator,
    check_one_step,
    check_receptor,
    check_symmetric,
    check_synapses,
    common,
    free,
    lookup,
    on_grid,
    recorded,
    role,
    split,
    synapse_values,
    synapses_of_chunk,
)
from jaxnest.synapses import synapses
from jaxnest.synapses._base import Synapse

if TYPE_CHECKING:
    from jaxnest.simulation._part import Part
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
    frozen: np.ndarray | None = None

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

    Connections are described, not kept: `sources`, `targets`, `weight` and `delay` draw them again when asked for, always the
    same. `weights`, `delays` (in steps) and the synapse parameters in `values` are what they are drawn from; `receptor` is a
    single value or an array (n,).
    """

    name: str
    number: int
    pre: Nodes
    post: Nodes
    rule: rules.Rule
    model: type[Synapse]
    drawing: Drawing
    weights: PerConnection
    delays: PerConnection
    receptor: np.ndarray
    values: Mapping[str, PerConnection]
    weight_recorder: Population | None = None
    modulator: Nodes | None = None

    def __len__(self) -> int:
        return len(self.drawing)

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} {self.model.name}, {self.rule.name}>"

    @property
    def sources(self) -> np.ndarray:
        """Positions (n,) int32 in `pre`."""
        return self.drawing.pairs()[0]

    @property
    def targets(self) -> np.ndarray:
        """Positions (n,) int32 in `post`."""
        return self.drawing.pairs()[1]

    @property
    def weight(self) -> np.ndarray:
        """The initial weights, () or (n,)."""
        return self.weights.all()

    @property
    def delay(self) -> np.ndarray:
        """The delays in steps, () or (n,)."""
        return self.delays.all()


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorder and the nodes that it records."""

    recorder: Population
    nodes: Nodes


class Network:
    """A network of NEST's neurons, synapses and devices.

    **Arguments:** `h`: the resolution in ms, a multiple of the tic, of which there are `tics_per_ms`. `seed`: of all that is drawn while
    building (connections, weights, parameters given as distributions).

    `create` and `connect` check what they get at once; a call that raises leaves the network as it was.
    """

    def __init__(self, h: float = 0.1, seed: int = 0, *, tics_per_ms: float = TICS_PER_MS) -> None:
        if not (np.isfinite(tics_per_ms) and tics_per_ms > 0):
            raise ConfigurationError(f"tics_per_ms={tics_per_ms!r} must be positive")
        if not (np.isfinite(h) and h > 0) or abs(h * tics_per_ms - round(h * tics_per_ms)) > 1e-6:
            raise ConfigurationError(f"h={h!r} must be a positive multiple of {1 / tics_per_ms:g} ms")
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

    def restricted(self, part: Part | None) -> Network:
        """The network with the populations of a part only; projections still speak of the whole ones."""
        if part is None:
            return self
        here = copy.copy(self)
        here.populations = [part.population(p) for p in self.populations]
        return here

    def generator(self, *path: int) -> np.random.Generator:
        """The counter-based generator of random numbers for one purpose, given by numbers."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *path])))

    def create(
        self, model: str | type[Declared], n: int = 1, *, name: str | None = None, frozen: Any = False, **params: Any
    ) -> Population:
        """Add `n` nodes of `model` (a name or a class) with parameters and initial states `params`.

        A value is a number, an array of shape (n,), or a distribution; for a vector parameter a list, or (n, k). Nodes that are
        `frozen` (one truth value, or one each) stay as they are and send nothing, and what arrives at them waits: see `Program`.

        **Raises:** `ConfigurationError` for an unknown model or parameter, a value out of bounds, a wrong shape.
        """
        cls = lookup(model, {**neurons, **devices}, Declared, "model")
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
            raise ConfigurationError(f"n={n!r} must be a positive integer")
        taken = {p.name for p in self.populations}
        if name is None:
            name = cls.name if cls.name not in taken else free(cls.name, taken)
        if name in taken or not name or "." in name:
            raise ConfigurationError(f"name={name!r} is taken, empty, or has a dot; choose another")
        n = int(n)
        owner = f"{name} ({cls.name})" if name != cls.name else name
        options, plain = split(cls, owner, n, params, self.h)
        rng = self.generator(1, len(self.populations))
        values, dims = resolve(cls, owner, n, plain, rng)
        values = on_grid(cls, owner, values, self.h, bool(options.get("allow_offgrid_times")))
        still = as_frozen(cls, owner, n, frozen)
        pop = Population(name, cls, n, self.size, values, dims, frozenset(k.rstrip("_") for k in plain), options, still)
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
        modulator: Population | Nodes | None = None,
        **params: Any,
    ) -> Projection | Recording:
        """Connect `pre` to `post` by `rule` (default: all to all), or a recorder to what it records.

        `weight` (pA, nS, mV: as the target's model says; default 1), `delay` (ms; default 1) and the synapse's
        parameters are numbers, arrays with one value a connection (in the order of the rule's pairs), or
        distributions; `receptor` is an integer or one a connection. `modulator`: the one volume_transmitter whose spikes are the
        third factor of a synapse that has one.

        **Raises:** `ConfigurationError` for anything that cannot be connected as asked.
        """
        pre, post = Nodes.of(pre), Nodes.of(post)
        for pop, _ in (*pre.parts, *post.parts):
            if pop not in self.populations:
                raise ConfigurationError(f"{pop!r} belongs to another network")
        kinds = {role(pop) for pop, _ in pre}, {role(pop) for pop, _ in post}
        if "recorder" in kinds[0] | kinds[1]:
            recording = Recording(*recorded(pre, post, rule))
            self.recordings.append(recording)
            return recording
        if kinds[1] - {"neuron"}:
            raise ConfigurationError(f"{post.parts[0][0]!r} takes no input: connect to neurons")
        return self._project(pre, post, rule, synapse, weight, delay, receptor, name, weight_recorder, modulator, params)

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
        modulator: Population | Nodes | None,
        params: Mapping[str, Any],
    ) -> Projection:
        model, params = lookup(synapse, synapses, Synapse, "synapse model").configured(params)
        taken = {p.name for p in self.projections}
        if name is None:
            base = f"{'+'.join(p.name for p, _ in pre)}->{'+'.join(p.name for p, _ in post)}"
            name = base if base not in taken else free(base, taken)
        if name in taken or "." in name:
            raise ConfigurationError(f"name={name!r} is taken or has a dot; choose another")
        given = {"weight": weight, "delay": delay, "receptor": receptor, "weight_recorder": recorder}
        check_coupling(name, pre, post, model, given)
        third = check_modulator(self.populations, name, pre, post, model, modulator)
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
        connections = drawn.draw(Stream(self.seed, 2, number, 0), pre.ids, post.ids)
        if weight is None:
            weight = getattr(drawn, "weight", None)
        if weight is None:
            weight = model.states["weight"].init if "weight" in model.states else 1.0

        def per_connection(key: str, value: Any, *path: int, finish: Any = None) -> PerConnection:
            return PerConnection(f"{name}.{key}", value, connections, Stream(self.seed, 2, number, *path), finish)

        weights = per_connection("weight", weight, 1)
        in_steps = partial(delay_steps, h=self.h, up=model.delay_rounds_up)
        delays = per_connection("delay", 1.0 if delay is None else delay, 2, finish=in_steps)
        check_symmetric(name, model, pre, post, connections, weights)
        receptor = check_receptor(name, post, receptor, drives, connections, model)
        check_one_step(name, post, model, delays)
        if "weight" in model.common:
            weights = common(model, weights)
        values = synapse_values(name, model, params, per_connection)
        if not any(v.drawn for v in (weights, *values.values())):
            check_synapses(name, model, {"weight": weights.first(), **{key: v.first() for key, v in values.items()}})
        elif connections.chunks:
            synapses_of_chunk(name, model, values, weights, 0, connections.size(0))
        projection = Projection(
            name, number, pre, post, drawn, model, connections, weights, delays, receptor, values, recorder, third
        )
        self.projections.append(projection)
        return projection

    def compile(self, **options: Any) -> Program:
        """Lay out the program; see `jaxnest.Program` for the options."""
        from jaxnest.simulation._program import Program

        return Program(self, **options)
