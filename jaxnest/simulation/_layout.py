"""Which array each node lies in: groups of neurons of one model, sources of spikes, ring-buffer columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from jaxnest._values import Values
from jaxnest.devices._base import Drive, Source
from jaxnest.errors import ConfigurationError
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.simulation import _plan
from jaxnest.simulation._arrays import concat
from jaxnest.simulation._network import Network, Nodes, Population, Projection
from jaxnest.simulation._part import Part
from jaxnest.synapses._base import Coupling


def kind_of(projection: Projection) -> str | None:
    """ "spikes" or "current" for a projection from a generator, "signal" for couplings, None for a projection of spiking sources."""
    model = projection.pre.parts[0][0].model
    if issubclass(projection.model, Coupling):
        return "signal"
    return model.kind if issubclass(model, Drive) else None


def group_populations(net: Network) -> tuple[list[_plan.Group], int, int]:
    """The groups, the offset from excitatory to inhibitory columns, and the number of ring-buffer columns."""
    current = {
        (p.name, int(receptor))
        for proj in net.projections
        if kind_of(proj) == "current"
        for p, _ in proj.post
        for receptor in np.unique(proj.receptor)
    }
    plastic = {p.name for proj in net.projections if proj.model.reads_post for p, _ in proj.post}
    plastic |= {p.name for proj in net.projections if proj.modulator is not None for p, _ in proj.modulator}
    by_key: dict[tuple[str, tuple[tuple[str, int], ...]], list[Population]] = {}
    for pop in net.populations:
        if issubclass(pop.model, Neuron):
            by_key.setdefault((pop.model.name, tuple(sorted(pop.dims.items()))), []).append(pop)
    signed = sum(p.n for pops in by_key.values() for p in pops if _signed(p))
    groups: list[_plan.Group] = []
    next_signed, next_fixed, source = 0, 2 * signed, 0
    for (name, dims), pops in by_key.items():
        model, n = pops[0].model, sum(p.n for p in pops)
        assert issubclass(model, Neuron)
        if model.routing is Routing.SIGN:
            column, next_signed = next_signed, next_signed + n
        else:
            column, next_fixed = next_fixed, next_fixed + n * _plan.channels(model, dict(dims))
        channels = [-1, -1]
        for receptor in range(2):
            if any((p.name, receptor) in current for p in pops):
                channels[receptor], next_fixed = next_fixed, next_fixed + n
        starts = np.cumsum([0, *(p.n for p in pops)])
        groups.append(
            _plan.Group(
                key=name if all(g.key != name for g in groups) else f"{name}{dict(dims)}",
                model=model,
                n=n,
                members=tuple(_plan.Member(p.name, int(s), p.n) for p, s in zip(pops, starts, strict=False)),
                dims=dims,
                source=source,
                column=column,
                current=channels[0],
                filtered=channels[1],
                plastic=any(p.name in plastic for p in pops),
                ids=np.concatenate([np.arange(p.first, p.first + p.n, dtype=np.int32) for p in pops]),
                frozen=_frozen(pops),
            )
        )
        source += n
    return groups, signed, next_fixed


def _frozen(pops: Sequence[Population]) -> np.ndarray | None:
    """Which nodes of populations are frozen, None if none is."""
    if all(p.frozen is None for p in pops):
        return None
    return np.concatenate([np.zeros(p.n, bool) if p.frozen is None else p.frozen for p in pops])


def _signed(pop: Population) -> bool:
    return issubclass(pop.model, Neuron) and pop.model.routing is Routing.SIGN


def number_sources(net: Network, groups: Sequence[_plan.Group]) -> tuple[list[_plan.SourceGroup], int]:
    place = sum(g.n for g in groups)
    sources = []
    for pop in net.populations:
        if issubclass(pop.model, Source):
            sources.append(_plan.SourceGroup(pop.name, pop.model, pop.n, place, pop.options.get("weighted", False), pop.frozen))
            place += pop.n
    return sources, place


class Index:
    """Finds sources and input columns of nodes. With `part`, `groups` are those of a part of the `whole` network; sources keep the numbers
    that they have there."""

    def __init__(
        self,
        net: Network,
        groups: Sequence[_plan.Group],
        sources: Sequence[_plan.SourceGroup],
        part: Part | None = None,
        whole: Index | None = None,
    ) -> None:
        self.groups = {m.population: (g, m) for g in groups for m in g.members}
        self.group_list = groups
        self.source_list = sources
        self.part = part
        self.pops = {p.name: p for p in net.populations}
        own = {s.key: s.source for s in sources} | {m.population: g.source + m.start for g in groups for m in g.members}
        self.start: dict[str, int] = own if whole is None else whole.start

    def sources_of(self, nodes: Nodes) -> np.ndarray:
        return concat([self.start[pop.name] + index for pop, index in nodes])

    def parts_by_group(self, nodes: Nodes) -> tuple[list[_plan.Group], np.ndarray, np.ndarray]:
        """The groups that the selection touches; for each node the number of its group, and its place in it; both -1 for nodes of
        other parts."""
        touched: list[_plan.Group] = []
        which, local = [], []
        for pop, index in nodes:
            group, member = self.groups[pop.name]
            if group not in touched:
                touched.append(group)
            here = index if self.part is None else self.part.local(pop.name, index)
            which.append(np.where(here < 0, -1, touched.index(group)).astype(np.int32))
            local.append(np.where(here < 0, -1, member.start + here).astype(np.int32))
        return touched, concat(which), concat(local)

    def modulator(self, node: Nodes) -> tuple[str, int]:
        """The group of a volume transmitter, and its place in that."""
        groups, _, local = self.parts_by_group(node)
        return groups[0].key, int(local[0])

    def source_ids(self) -> np.ndarray:
        ids = [g.ids for g in self.group_list]
        ids += [np.arange(self.pops[s.key].first, self.pops[s.key].first + s.n, dtype=np.int32) for s in self.source_list]
        return concat(ids)


def stack(net: Network, members: Sequence[_plan.Member], dtype: Any) -> Values:
    """Parameters (and given initial states) of populations as arrays over their group: (…, n), or (…, 1) for the single
    value of a group that is one population. So the value of one population of several can change without a change of shape."""
    pops = [p for m in members for p in net.populations if p.name == m.population]
    model = pops[0].model
    names = [*model.parameters, *(k for k in model.states if any(k in p.given for p in pops))]
    stacked = {}
    for name in names:
        values = [p.values[name] if name in p.values else _default_state(p, name) for p in pops]
        first = np.asarray(values[0])
        if len(pops) == 1 and first.shape[-1:] in ((), (1,)):
            stacked[name] = np.asarray(first if first.ndim else first[None], dtype)
        else:
            full = [np.broadcast_to(v, (*np.shape(v)[:-1], p.n)) for p, v in zip(pops, values, strict=True)]
            stacked[name] = np.concatenate(full, axis=-1).astype(dtype)
    return Values(stacked)


def check_precision(pop: Population, h: float, dtype: Any) -> None:
    """The times of a generator, which enter the program in `dtype`, must come out on the same steps there."""
    for name, parameter in pop.model.parameters.items():
        if parameter.unit == "ms":
            t = pop.values[name][np.isfinite(pop.values[name])]
            if (np.round(t.astype(dtype) / np.asarray(h, dtype)) != np.round(t / h)).any():
                raise ConfigurationError(f"{pop.name}.{name}: times so late need float64 (jax.enable_x64)")


def _default_state(pop: Population, name: str) -> np.ndarray:
    init = pop.model.states[name].init
    if isinstance(init, str):
        return pop.values[init]
    return np.asarray(init(Values(pop.values)) if callable(init) else init, np.float64)


def columns_of(group: _plan.Group, kind: str | None, place: np.ndarray, receptor: np.ndarray) -> np.ndarray:
    """The ring-buffer columns that events to neurons at `place` of a group go to (the excitatory ones)."""
    receptor = np.asarray(receptor, np.int32)
    if kind == "current":
        return (np.where(receptor == 0, group.current, group.filtered) + place).astype(np.int32)
    if group.model.routing is Routing.PORTS:
        return (group.column + (receptor - 1) * group.n + place).astype(np.int32)
    if group.model.routing is Routing.COUNT:
        return (group.column + receptor * group.n + place).astype(np.int32)
    return (group.column + place).astype(np.int32)


class Held(NamedTuple):
    """The connections of a projection to one `group` (its number among those that the projection reaches), which a `table`
    holds: among others, or (`whole`) alone."""

    table: str
    group: int
    whole: bool


@dataclass
class Layouts:
    """What the program needs to find a user's names in its arrays: by projection what its `tables` hold, or the keys of its `lists`, for
    those of generators and couplings, whose connections are told apart by `ident`."""

    tables: dict[str, list[Held]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Build:
    """A network while it is laid out: where its nodes are (`index`, `n_sources`, `inhibitory`), and the parameters,
    connections and places of names so far. `spiking_delays` and `driving_delays`: the shortest and the longest delay, in
    steps, of connections of spiking sources and of generators, as far as they are known. `matrices`: whether
    tables may be matrices. `n_sources` and `slot` (the columns of the ring buffer) are those of the whole network, also where
    this is a `part` of it."""

    net: Network
    index: Index
    n_sources: int
    inhibitory: int
    slot: int
    dtype: Any
    params: dict[str, Any]
    matrices: bool = False
    part: Part | None = None
    connections: dict[str, Any] = field(default_factory=dict)
    layouts: Layouts = field(default_factory=Layouts)
    spiking_delays: list[tuple[int, int]] = field(default_factory=list)
    driving_delays: list[tuple[int, int]] = field(default_factory=list)
