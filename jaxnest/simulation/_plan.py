"""The static plan of a compiled network (hashable facts only) and the state of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest._values import Values
from jaxnest.devices._base import Source
from jaxnest.events.deliver import Layout, Queue
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.simulation._arrays import slice_if_consecutive
from jaxnest.simulation._relative import whole
from jaxnest.synapses._base import Coupling, Synapse


@dataclass(frozen=True)
class Member:
    """The place of a population in its group: nodes ``start : start + n``."""

    population: str
    start: int
    n: int


@dataclass(frozen=True)
class Group:
    """All neurons of one model: one array a state. `plastic`: whether their spikes are kept for plastic synapses. `source` is the index of its first neuron among all sources,
    `column` the ring-buffer column of its first input channel, `current` and `filtered` those of the
    current channels (-1: none), `frozen` (n,) which of its neurons are not advanced (None: all are)."""

    key: str
    model: type[Neuron]
    n: int
    members: tuple[Member, ...]
    dims: tuple[tuple[str, int], ...]
    source: int
    column: int
    current: int
    filtered: int
    plastic: bool
    ids: np.ndarray = field(compare=False)
    frozen: np.ndarray | None = field(default=None, compare=False)

    @property
    def ports(self) -> int:
        return channels(self.model, dict(self.dims))

    @property
    def multiple(self) -> bool:
        """Whether its spikes may have multiplicities."""
        return self.model.routing is Routing.COUNT

    def read(self, states: Mapping[str, Any], name: str) -> Any:
        """The recordable `name` (…, n) among the states of the group."""
        state, row = self.model.readable(dict(self.dims))[name]
        value = whole(states, state)
        return value if row is None else value[row]


def channels(model: type[Neuron], dims: Mapping[str, int]) -> int:
    """Input channels of a neuron, without those routed by sign (a relay: one that counts, one that does not)."""
    if model.routing is Routing.PORTS:
        return dims[model.ports_dim]
    if model.routing is Routing.NONE:
        return 0
    return 2 if model.routing is Routing.COUNT else 1


@dataclass(frozen=True)
class SourceGroup:
    """A population of devices that emit spikes like neurons. `weighted`: their spikes have weights of their own."""

    key: str
    model: type[Source]
    n: int
    source: int
    weighted: bool
    frozen: np.ndarray | None = field(default=None, compare=False)

    def awake(self, spikes: Any) -> Any:
        """`spikes` (…, n) without those of frozen devices."""
        return spikes if self.frozen is None else jnp.where(self.frozen, 0, spikes)


@dataclass(frozen=True)
class DrivePlan:
    """A generator population that acts on one group. With `block` its targets are consecutive and share one delay.

    With `source` >= 0 it acts on nothing: its spikes are recorded, as those of the sources from that index on."""

    key: str
    population: str
    model: Any
    n_devices: int
    n: int
    block: bool
    inhibitory: int
    counts_events: bool
    stream: int
    source: int = -1
    frozen: np.ndarray | None = field(default=None, compare=False)  # (n_devices,)

    @property
    def n_states(self) -> int:
        if not self.model.per_target:
            return self.n_devices
        return 1 if self.n_devices == 1 and not self.model.own_state else self.n


@dataclass(frozen=True)
class TablePlan:
    """An event table. `model` is None for the tables shared by all static projections. `post_group` has `n_post`
    neurons; the columns of their input channels start at `first_column`. With `counts_events` weights do not matter.
    `pre_repeats`, `post_repeats`: whether spikes of its sources and targets may have multiplicities. `modulator`: the group of the
    volume transmitter that its synapses listen to, and the place in it."""

    key: str
    model: type[Synapse] | None
    layout: Layout
    post_group: str | None
    first_column: int
    n_post: int
    counts_events: bool
    recorder: str | None
    stream: int
    n: int
    pre_repeats: bool = False
    post_repeats: bool = False
    modulator: tuple[str, int] | None = None

    @property
    def eager(self) -> bool:
        """Whether its synapses learn in every step."""
        return self.model is not None and bool(self.model.eager)


class Relaxation(NamedTuple):
    """How the potentials of neurons with gap junctions are found within a step: by iterations, until none changes by more than `tol` (mV), at most
    `max_iterations` (0: the potentials at the beginning of the step are taken); interpolated with a polynomial of the order 0, 1 or 3."""

    tol: float = 1e-4
    max_iterations: int = 15
    interpolation_order: int = 3


@dataclass(frozen=True)
class SignalPlan:
    """A continuous signal, (n,): which groups send it, and where in it their first neuron is. Its last values are kept in `slots` rows
    (0: no coupling is delayed)."""

    name: str
    n: int
    starts: tuple[tuple[str, int], ...]
    slots: int


@dataclass(frozen=True)
class CouplingPlan:
    """The `n` couplings of a projection to a group. `indegree`: how many each of its neurons has, if all have as many, else 0."""

    key: str
    model: type[Coupling]
    group: str
    n: int
    indegree: int


@dataclass(frozen=True)
class Sampling:
    """What a multimeter reads: states of some nodes of one group; times in steps."""

    key: str
    recorder: str
    group: str
    fields: tuple[str, ...]
    interval: int
    offset: int
    start: int
    stop: int
    index: np.ndarray = field(compare=False)
    senders: np.ndarray = field(compare=False)


@dataclass(frozen=True)
class SpikeRecording:
    """The sources (indices) that a spike_recorder listens to, and its window in steps."""

    recorder: str
    start: int
    stop: int
    sources: np.ndarray = field(compare=False)


class Here(NamedTuple):
    """What differs from part to part of a network, and is a constant elsewhere: by group the `ids` (n,) of its neurons, by sampling the places `read`
    in its group; `number` (n_sources,) that each source has in the whole network, -1 for those that are no part of it, and whether it
    is `recorded`."""

    ids: Mapping[str, Any]
    read: Mapping[str, Any]
    number: Any
    recorded: Any


#: the key of `Here` among the connections (no projection's name has a dot)
HERE = ".here"


@dataclass(frozen=True)
class Plan:
    """Everything static about a compiled network. Equal plans compile to the same program: `fingerprint` stands for the
    arrays that enter it as constants.

    Where the network is parted over the devices of the mesh's `axis`, this is the plan of any of its parts, whose arrays are in `Here`: `n_sources`
    are those of a part, `n_all` those of the network, which is what tables and queues count by, and recordings and `source_ids`."""

    slice_steps: int
    slots: int
    columns: int
    inhibitory: int
    n_sources: int
    groups: tuple[Group, ...]
    sources: tuple[SourceGroup, ...]
    drives: tuple[DrivePlan, ...]
    tables: tuple[TablePlan, ...]
    samplings: tuple[Sampling, ...]
    recordings: tuple[SpikeRecording, ...]
    dense: bool
    native: bool
    log_length: int
    window_length: int
    solver: str
    substeps: int
    reset: str
    source_ids: np.ndarray = field(compare=False)
    fingerprint: str = ""
    n_all: int = 0
    axis: str = ""
    relaxation: Relaxation = field(default_factory=Relaxation)
    signals: tuple[SignalPlan, ...] = ()
    couplings: tuple[CouplingPlan, ...] = ()

    @property
    def waiting(self) -> np.ndarray | None:
        """The columns (columns,) of inputs of frozen neurons, None if no neuron is frozen."""
        if all(g.frozen is None for g in self.groups):
            return None
        out = np.zeros(self.columns, bool)
        for g in self.groups:
            if g.frozen is None:
                continue
            starts = [g.column + port * g.n for port in range(g.ports)]
            starts += [g.column + self.inhibitory] if g.model.routing is Routing.SIGN else []
            starts += [c for c in (g.current, g.filtered) if c >= 0]
            for start in starts:
                out[start : start + g.n] = g.frozen
        return out

    @property
    def n_weighted(self) -> int:
        """Number of devices whose spikes have weights of their own."""
        return sum(s.n for s in self.sources if s.weighted)

    def deferred(self, t: TablePlan) -> bool:
        """Whether the events of a table are delivered when they are due: see `Queue`."""
        return self.native and not self.dense and t.layout.segments > 1 and not t.counts_events and not self.n_weighted

    def modulation(self, t: TablePlan, spikes: Any) -> Any:
        """Of the spikes (L, n_sources) those (L,) that the transmitter of a table's synapses received, None if it has none."""
        return None if t.modulator is None else spikes[:, self.group(t.modulator[0]).source + t.modulator[1]]

    @property
    def multiple(self) -> bool:
        """Whether there are spikes other than 0 and 1."""
        return any(g.multiple for g in self.groups) or bool(self.sources) or any(d.source >= 0 for d in self.drives)

    @property
    def recorded(self) -> np.ndarray:
        """Which sources (n_all,) spike recorders listen to."""
        recorded = np.zeros(self.n_all, bool)
        for r in self.recordings:
            recorded[r.sources] = True
        return recorded

    def traces(self, nodes: Mapping[str, Any], places: Mapping[str, Any] | None = None) -> dict[str, Values]:
        """What multimeters read of the states `nodes`, by sampling; in a part of a network at the `places` there."""
        found = {}
        for s in self.samplings:
            group, where = self.group(s.group), slice_if_consecutive(s.index) if places is None else places[s.key]
            found[s.key] = Values({f: group.read(nodes[s.group], f)[..., where] for f in s.fields})
        return found

    def group(self, key: str) -> Group:
        return next(g for g in self.groups if g.key == key)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """The state of a run: a pytree, the only thing that changes.

    `step` counts the steps done; `key` the random key; `ring` (slots, columns) what is under way to each input
    channel; `pending` (slice_steps, n_sources + 2 n_weighted) the spikes of the running slice, then the sums of the
    positive and of the negative weights of those that have their own; `nodes` the states of each group and
    device; `tables` those of plastic synapses; `history` the spikes that these may still ask for; `queue` the spikes with
    events to come in tables that deliver when they are due (None: there are none such); `signals` (slots, n) the last values of signals with delayed couplings;
    `fault` the first step with a value that is not finite (-1: none). `lag` is static: the place in the running slice.
    """

    step: Any
    key: Any
    ring: Any
    pending: Any
    nodes: Mapping[str, Any]
    tables: Mapping[str, Any]
    history: Mapping[str, Any]
    queue: Queue | None
    signals: Mapping[str, Any]
    fault: Any
    lag: int = field(default=0, metadata={"static": True})
