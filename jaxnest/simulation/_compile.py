"""From the description to the program: same-model populations to one array, connections to event tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxnest._values import Values
from jaxnest.connectivity.csr import permute, rows_by_source
from jaxnest.devices._base import Drive, Source
from jaxnest.devices.recorders import multimeter, spike_recorder
from jaxnest.errors import ConfigurationError
from jaxnest.events.deliver import Layout, Table, block_width
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.simulation import _plan
from jaxnest.simulation._network import Network, Nodes, Population, Projection
from jaxnest._time import as_steps

#: a slice is not longer than this, whatever the smallest delay (the spikes of a slice are held in one array)
_LONGEST_SLICE = 32
#: with fewer connections than this it is faster to visit all in every step
_DENSE_BELOW = 4096
_STREAM_DRIVES, _STREAM_TABLES, _STREAM_RECORDED = 1 << 10, 1 << 20, 1 << 30


@dataclass
class Segment:
    """Where the connections of a projection to one group lie in a table: `counts` (n_sources of the table,)
    connections in each row, from `offset` (n_sources,) on."""

    table: str
    group: str
    counts: np.ndarray
    offset: np.ndarray


@dataclass
class Layouts:
    """What the program needs to find a user's names in its arrays."""

    segments: dict[str, list[Segment]] = field(default_factory=dict)
    drives: dict[str, list[str]] = field(default_factory=dict)


def compile_plan(
    net: Network, *, delivery: str, solver: str, substeps: int
) -> tuple[_plan.Plan, dict[str, Any], dict[str, Any], Layouts]:
    """Lay out the network: the plan, the parameters, the connections, and where each name went."""
    dtype = np.dtype(jnp.zeros(()).dtype.name)
    current_targets = {
        id_ for proj in net.projections if _drive_kind(proj) == "current" for id_ in {p.name for p, _ in proj.post}
    }
    plastic_targets = {
        p.name for proj in net.projections if proj.model.reads_post for p, _ in proj.post
    }
    groups, inhibitory, columns = _groups(net, current_targets, plastic_targets)
    sources, n_sources = _sources(net, groups)
    recorded = _recorded_drives(net, n_sources)
    n_sources += sum(r.plan.n for r in recorded)
    index = _Index(net, groups, sources)
    params: dict[str, Any] = {"h": np.asarray(net.h, dtype), "nodes": {}, "tables": {}}
    for g in groups:
        params["nodes"][g.key] = _stack(net, g.members, dtype)
    for pop in net.populations:
        if issubclass(pop.model, Drive):
            params["nodes"][pop.name] = _stack(net, (_plan.Member(pop.name, 0, pop.n),), dtype)
            _check_precision(pop, net.h, dtype)
        elif issubclass(pop.model, Source):
            params["nodes"][pop.name] = Values(pop.model.leaves(pop.options, pop.values, net.h, dtype))

    connections: dict[str, Any] = {}
    layouts = Layouts()
    drives = _drives(net, index, inhibitory, params, connections, layouts, dtype)
    for r in recorded:
        drives.append(r.plan)
        connections[r.plan.key] = Values(device=r.index, ident=np.arange(r.plan.n, dtype=np.int32))
    tables = _tables(net, index, inhibitory, n_sources, params, connections, layouts, dtype)
    delays = [p.delay for p in net.projections if len(p)]
    longest = max((int(d.max()) for d in delays), default=1)
    shortest = min(
        (int(p.delay.min()) for p in net.projections if len(p) and _drive_kind(p) is None), default=_LONGEST_SLICE
    )
    slice_steps = min(shortest, _LONGEST_SLICE)
    slots = longest + 1
    if slots * columns >= 2**31:
        raise ConfigurationError(
            f"the ring buffer would have {slots} x {columns} places, more than 2**31; shorten the longest delay"
        )
    n_static = sum(t.n for t in tables)
    if delivery not in ("auto", "events", "dense"):
        raise ConfigurationError(f"delivery={delivery!r} must be 'auto', 'events' or 'dense'")
    if solver not in ("adaptive", "fixed"):
        raise ConfigurationError(f"solver={solver!r} must be 'adaptive' (GSL's RKF45, as NEST) or 'fixed'")
    if not isinstance(substeps, int) or substeps < 1:
        raise ConfigurationError(f"substeps={substeps!r} must be a positive integer")
    dense = delivery == "dense" or (delivery == "auto" and n_static < _DENSE_BELOW)
    reach = longest + 2 * slice_steps
    plan = _plan.Plan(
        slice_steps=slice_steps,
        slots=slots,
        columns=columns,
        inhibitory=inhibitory,
        n_sources=n_sources,
        groups=tuple(groups),
        sources=tuple(sources),
        drives=tuple(drives),
        tables=tuple(tables),
        samplings=tuple(_samplings(net, index)),
        recordings=tuple(_spike_recordings(net, index, recorded)),
        dense=dense,
        log_length=2 * (reach + 16),
        window_length=longest + slice_steps + 1,
        solver=solver,
        substeps=substeps,
        source_ids=_concat([index.source_ids(), *(net[r.plan.population].first + r.index for r in recorded)]),
    )
    return plan, params, connections, layouts


def projection_orders(
    net: Network, plan: _plan.Plan, projection: Projection, segments: Sequence[Segment]
) -> list[np.ndarray]:
    """For each segment of a projection, which of its connections (as drawn) it holds, in the table's order."""
    index = _Index(net, plan.groups, plan.sources)
    source = index.sources_of(projection.pre)[projection.sources]
    touched, which, _ = index.parts_by_group(projection.post)
    orders = []
    for segment in segments:
        j = [g.key for g in touched].index(segment.group)
        rows = np.flatnonzero(which[projection.targets] == j)
        orders.append(rows[np.argsort(source[rows], kind="stable")])
    return orders


def _drive_kind(projection: Projection) -> str | None:
    """ "spikes" or "current" for a projection from a generator, None for one of spiking sources."""
    model = projection.pre.parts[0][0].model
    return model.kind if issubclass(model, Drive) else None


def _groups(net: Network, current: set[str], plastic: set[str]) -> tuple[list[_plan.Group], int, int]:
    """The groups, the offset from excitatory to inhibitory columns, and the number of ring-buffer columns."""
    by_key: dict[tuple[str, tuple[tuple[str, int], ...]], list[Population]] = {}
    for pop in net.populations:
        if issubclass(pop.model, Neuron):
            by_key.setdefault((pop.model.name, tuple(sorted(pop.dims.items()))), []).append(pop)
    signed = sum(p.n for pops in by_key.values() for p in pops if p.model.routing is Routing.SIGN)  # type: ignore[attr-defined]
    groups: list[_plan.Group] = []
    next_signed, next_fixed, source = 0, 2 * signed, 0
    for (name, dims), pops in by_key.items():
        model, n = pops[0].model, sum(p.n for p in pops)
        assert issubclass(model, Neuron)
        if model.routing is Routing.SIGN:
            column, next_signed = next_signed, next_signed + n
        else:
            column, next_fixed = next_fixed, next_fixed + n * _plan.channels(model, dict(dims))
        channel = -1
        if any(p.name in current for p in pops):
            channel, next_fixed = next_fixed, next_fixed + n
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
                current=channel,
                plastic=any(p.name in plastic for p in pops),
                ids=np.concatenate([np.arange(p.first, p.first + p.n, dtype=np.int32) for p in pops]),
            )
        )
        source += n
    return groups, signed, next_fixed


def _sources(net: Network, groups: Sequence[_plan.Group]) -> tuple[list[_plan.SourceGroup], int]:
    place = sum(g.n for g in groups)
    sources = []
    for pop in net.populations:
        if issubclass(pop.model, Source):
            sources.append(_plan.SourceGroup(pop.name, pop.model, pop.n, place, pop.options.get("weighted", False)))
            place += pop.n
    return sources, place


@dataclass(frozen=True)
class _RecordedDrive:
    """A generator whose spikes a recorder gets directly: `index` of its devices, and what it does as a drive."""

    recorder: str
    index: np.ndarray
    plan: _plan.DrivePlan


def _recorded_drives(net: Network, place: int) -> list[_RecordedDrive]:
    """Generators connected to spike_recorders, in the order of connection; their sources start at `place`."""
    found: list[_RecordedDrive] = []
    for recording in net.recordings:
        for pop, index in recording.nodes:
            if not issubclass(pop.model, Drive):
                continue
            number = len(found)
            plan = _plan.DrivePlan(
                key=f"{recording.recorder.name}<-{pop.name}[{number}]",
                population=pop.name,
                model=pop.model,
                n_devices=pop.n,
                n=len(index),
                block=False,
                inhibitory=0,
                counts_events=True,
                stream=_STREAM_RECORDED + number,
                source=place,
            )
            found.append(_RecordedDrive(recording.recorder.name, index.astype(np.int32), plan))
            place += len(index)
    return found


class _Index:
    """Finds sources and input columns of nodes."""

    def __init__(self, net: Network, groups: Sequence[_plan.Group], sources: Sequence[_plan.SourceGroup]) -> None:
        self.groups = {m.population: (g, m) for g in groups for m in g.members}
        self.group_list = groups
        self.source_list = sources
        self.pops = {p.name: p for p in net.populations}
        self.start = {s.key: s.source for s in sources}
        self.start.update({m.population: g.source + m.start for g in groups for m in g.members})

    def sources_of(self, nodes: Nodes) -> np.ndarray:
        return _concat([self.start[pop.name] + index for pop, index in nodes])

    def parts_by_group(self, nodes: Nodes) -> tuple[list[_plan.Group], np.ndarray, np.ndarray]:
        """The groups that the selection touches; for each node the number of its group, and its place in it."""
        touched: list[_plan.Group] = []
        which, local = [], []
        for pop, index in nodes:
            group, member = self.groups[pop.name]
            if group not in touched:
                touched.append(group)
            which.append(np.full(len(index), touched.index(group), np.int32))
            local.append((member.start + index).astype(np.int32))
        return touched, _concat(which), _concat(local)

    def source_ids(self) -> np.ndarray:
        ids = [g.ids for g in self.group_list]
        ids += [np.arange(self.pops[s.key].first, self.pops[s.key].first + s.n, dtype=np.int32) for s in self.source_list]
        return _concat(ids)


def _stack(net: Network, members: Sequence[_plan.Member], dtype: Any) -> Values:
    """Parameters (and given initial states) of populations as arrays over their group, (…, 1) where all agree."""
    pops = [p for m in members for p in net.populations if p.name == m.population]
    model = pops[0].model
    names = [*model.parameters, *(k for k in model.states if any(k in p.given for p in pops))]
    stacked = {}
    for name in names:
        values = [p.values[name] if name in p.values else _default_state(p, name) for p in pops]
        first = np.asarray(values[0])
        single = all(np.shape(v)[-1:] in ((), (1,)) and np.array_equal(v, first) for v in values)
        if single:
            stacked[name] = np.asarray(first if first.ndim else first[None], dtype)
        else:
            shape = (lambda p, v: (*np.shape(v)[:-1], p.n))
            stacked[name] = np.concatenate(
                [np.broadcast_to(v, shape(p, v)) for p, v in zip(pops, values, strict=True)], axis=-1
            ).astype(dtype)
    return Values(stacked)


def _check_precision(pop: Population, h: float, dtype: Any) -> None:
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


def _drives(
    net: Network,
    index: _Index,
    inhibitory: int,
    params: dict[str, Any],
    connections: dict[str, Any],
    layouts: Layouts,
    dtype: Any,
) -> list[_plan.DrivePlan]:
    plans = []
    for proj in net.projections:
        kind = _drive_kind(proj)
        if kind is None:
            continue
        layouts.drives[proj.name] = []
        devices = _concat([np.full(len(i), k, np.int32) for k, (_, i) in enumerate(proj.pre)])
        local_device = _concat([i for _, i in proj.pre])
        touched, which, local = index.parts_by_group(proj.post)
        for k, (pop, _) in enumerate(proj.pre):
            for j, group in enumerate(touched):
                rows = np.flatnonzero((devices[proj.sources] == k) & (which[proj.targets] == j))
                if not len(rows):
                    continue
                key = f"{proj.name}[{pop.name},{group.key}]"
                place = local[proj.targets[rows]]
                column = _columns(group, kind, place, _at(proj.receptor, rows))
                delay = np.atleast_1d(_at(proj.delay, rows))
                block = bool((np.diff(column) == 1).all() and (delay == delay[0]).all())
                connections[key] = Values(
                    device=local_device[proj.sources[rows]].astype(np.int32),
                    column=column[:1] if block else column,
                    delay=_unsigned(delay[:1] if block else delay),
                    ident=rows.astype(np.int32),
                )
                weight = np.atleast_1d(_at(proj.weight, rows)).astype(dtype)
                params["tables"][key] = Values(weight=weight)
                layouts.drives[proj.name].append(key)
                signed = kind == "spikes" and group.model.routing is Routing.SIGN
                plans.append(
                    _plan.DrivePlan(
                        key=key,
                        population=pop.name,
                        model=pop.model,
                        n_devices=pop.n,
                        n=len(rows),
                        block=block,
                        inhibitory=inhibitory if signed else 0,
                        counts_events=kind == "spikes" and group.model.routing is Routing.COUNT,
                        stream=_STREAM_DRIVES + proj.number * 64 + k,
                    )
                )
    return plans


def _columns(group: _plan.Group, kind: str | None, place: np.ndarray, receptor: np.ndarray) -> np.ndarray:
    """The ring-buffer columns that events to neurons at `place` of a group go to (the excitatory ones)."""
    if kind == "current":
        return (group.current + place).astype(np.int32)
    if group.model.routing is Routing.PORTS:
        return (group.column + (receptor - 1) * group.n + place).astype(np.int32)
    if group.model.routing is Routing.COUNT:
        return (group.column + receptor * group.n + place).astype(np.int32)
    return (group.column + place).astype(np.int32)


def _tables(
    net: Network,
    index: _Index,
    inhibitory: int,
    n_sources: int,
    params: dict[str, Any],
    connections: dict[str, Any],
    layouts: Layouts,
    dtype: Any,
) -> list[_plan.TablePlan]:
    """Static projections share three tables (routed by sign; not; to relays); every other projection has its own, one
    for each group that it reaches."""
    shared: dict[str, list[tuple[Projection, str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]] = {}
    plans: list[_plan.TablePlan] = []
    for proj in net.projections:
        if _drive_kind(proj) is not None or not len(proj):
            continue
        layouts.segments[proj.name] = []
        source = index.sources_of(proj.pre)[proj.sources]
        touched, which, local = index.parts_by_group(proj.post)
        for j, group in enumerate(touched):
            every = len(touched) == 1
            rows = slice(None) if every else np.flatnonzero(which[proj.targets] == j)
            column = _columns(group, None, local[proj.targets[rows]], _at(proj.receptor, rows))
            weight, delay = _at(proj.weight, rows), _at(proj.delay, rows)
            counts = group.model.routing is Routing.COUNT
            signed = group.model.routing is Routing.SIGN
            if proj.model.static and proj.weight_recorder is None:
                part = (proj, group.key, source[rows], column, weight, delay)
                shared.setdefault("signed" if signed else "counted" if counts else "fixed", []).append(part)
                continue
            key = proj.name if every else f"{proj.name}[{group.key}]"
            row_ptr, order = rows_by_source(source[rows], n_sources)
            values = {k: _sorted(_at(v, rows), order) for k, v in proj.values.items()}
            table, weight = _table(row_ptr, order, column, weight, delay, dtype)
            connections[key] = table
            params["tables"][key] = _synapse_params(proj, values, weight, len(order), dtype)
            layouts.segments[proj.name].append(Segment(key, group.key, np.diff(row_ptr), np.zeros(n_sources, np.int32)))
            plans.append(
                _plan.TablePlan(
                    key=key,
                    model=proj.model,
                    layout=_layout(row_ptr, inhibitory if signed else 0),
                    post_group=group.key,
                    first_column=group.column,
                    n_post=group.n,
                    counts_events=counts,
                    recorder=None if proj.weight_recorder is None else proj.weight_recorder.name,
                    stream=_STREAM_TABLES + proj.number * 64 + j,
                    n=len(order),
                    pre_repeats=any(issubclass(p.model, Source) or p.model.routing is Routing.COUNT for p, _ in proj.pre),
                    post_repeats=group.multiple,
                )
            )
    for key, parts in shared.items():
        plans.append(_shared_table(key, parts, inhibitory, n_sources, params, connections, layouts, dtype))
    return plans


def _shared_table(
    key: str,
    parts: list[tuple[Projection, str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    inhibitory: int,
    n_sources: int,
    params: dict[str, Any],
    connections: dict[str, Any],
    layouts: Layouts,
    dtype: Any,
) -> _plan.TablePlan:
    sizes = [len(part[2]) for part in parts]
    row_ptr, order = rows_by_source(_concat([part[2] for part in parts]), n_sources)
    weight = _joined([part[4] for part in parts], sizes)
    delay = _joined([part[5] for part in parts], sizes)
    table, weight = _table(row_ptr, order, _concat([part[3] for part in parts]), weight, delay, dtype)
    name = f"static.{key}"
    connections[name] = table
    params["tables"][name] = Values(weight=weight)
    offset = np.zeros(n_sources, np.int32)
    for proj, group, source, *_ in parts:
        counts = np.bincount(source, minlength=n_sources).astype(np.int32)
        layouts.segments[proj.name].append(Segment(name, group, counts, offset.copy()))
        offset += counts
    layout = _layout(row_ptr, inhibitory if key == "signed" else 0)
    return _plan.TablePlan(name, None, layout, None, 0, 0, key == "counted", None, 0, len(order))


def _layout(row_ptr: np.ndarray, inhibitory: int) -> Layout:
    return Layout(inhibitory, block_width(int(row_ptr[-1]), int((np.diff(row_ptr) > 0).sum())))


def _table(
    row_ptr: np.ndarray, order: np.ndarray, column: np.ndarray, weight: np.ndarray, delay: np.ndarray, dtype: Any
) -> tuple[Table, np.ndarray]:
    (column,) = permute(order, column)
    with np.errstate(over="ignore"):
        weight = _sorted(weight, order).astype(dtype)
    if not np.isfinite(weight).all():
        raise ConfigurationError(f"a weight is beyond the range of {dtype}; give smaller weights, or use float64")
    return Table(row_ptr, column, _unsigned(_sorted(delay, order))), weight


def _synapse_params(
    proj: Projection, values: Mapping[str, np.ndarray], weight: np.ndarray, n: int, dtype: Any
) -> Values:
    """Parameters of a table's synapses, (1,) or (n,), the initial weights, and the initial states that were given."""
    model = proj.model
    params = {k: np.atleast_1d(values.get(k, np.asarray(p.default))).astype(dtype) for k, p in model.parameters.items()}
    given = {k: np.atleast_1d(v).astype(dtype) for k, v in values.items() if k in model.states}
    return Values({**params, **given, "weight": np.broadcast_to(weight, (n,)).astype(dtype)})


def _samplings(net: Network, index: _Index) -> list[_plan.Sampling]:
    out = []
    for recording in net.recordings:
        recorder = recording.recorder
        if not issubclass(recorder.model, multimeter) or not recorder.options["record_from"]:
            continue
        touched, which, local = index.parts_by_group(recording.nodes)
        ids = recording.nodes.ids
        for j, group in enumerate(touched):
            mine = which == j
            out.append(
                _plan.Sampling(
                    key=f"{recorder.name}[{len(out)}]",
                    recorder=recorder.name,
                    group=group.key,
                    fields=recorder.options["record_from"],
                    interval=_steps(recorder, "interval", net.h),
                    offset=_steps(recorder, "offset", net.h),
                    start=_edge(recorder, "start", net.h),
                    stop=_edge(recorder, "stop", net.h),
                    index=local[mine],
                    senders=ids[mine],
                )
            )
    return out


def _spike_recordings(
    net: Network, index: _Index, recorded: Sequence[_RecordedDrive]
) -> list[_plan.SpikeRecording]:
    sources: dict[str, list[np.ndarray]] = {}
    direct = iter(recorded)
    for recording in net.recordings:
        if recording.recorder.model is not spike_recorder:
            continue
        parts = sources.setdefault(recording.recorder.name, [])
        for pop, local in recording.nodes:
            drive = issubclass(pop.model, Drive)
            start = next(direct).plan.source if drive else index.start[pop.name]
            parts.append(start + (np.arange(len(local)) if drive else local))
    return [
        _plan.SpikeRecording(
            name, _edge(index.pops[name], "start", net.h), _edge(index.pops[name], "stop", net.h), _concat(parts)
        )
        for name, parts in sources.items()
    ]


def _steps(pop: Population, name: str, h: float) -> int:
    value = pop.values[name]
    if value.ndim:
        raise ConfigurationError(f"{pop.name}.{name} must be one number")
    return int(as_steps(f"{pop.name}.{name}", value, h))


def _edge(pop: Population, name: str, h: float) -> int:
    t = np.asarray(pop.values["origin"] + pop.values[name])
    if t.ndim:
        raise ConfigurationError(f"{pop.name}.{name} must be one number")
    return 2**30 if t == np.inf else int(as_steps(f"{pop.name}.{name}", t, h))


def _at(value: np.ndarray, rows: Any) -> np.ndarray:
    value = np.asarray(value)
    return value[rows] if value.ndim else value


def _sorted(value: np.ndarray, order: np.ndarray) -> np.ndarray:
    value = np.asarray(value)
    if value.ndim == 0 or (len(value) == 1 and len(order) != 1):
        return value.reshape(1)
    return permute(order, value)[0]


def _joined(values: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    """One value if all agree, else one a connection."""
    flat = [np.asarray(v) for v in values]
    if all(v.ndim == 0 for v in flat) and len({v.item() for v in flat}) == 1:
        return flat[0]
    return np.concatenate([np.broadcast_to(v, (n,)) for v, n in zip(flat, sizes, strict=True)])


def _unsigned(delay: np.ndarray) -> np.ndarray:
    """Delays in the smallest unsigned type that holds them."""
    delay = np.atleast_1d(delay)
    return delay.astype(np.min_scalar_type(int(delay.max(initial=1))))


def _concat(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, np.int32)
