"""Generators that act on their targets directly, and what recorders listen to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxnest._time import as_steps
from jaxnest._values import Values
from jaxnest.devices._base import Drive
from jaxnest.devices.recorders import multimeter, spike_recorder
from jaxnest.errors import ConfigurationError
from jaxnest.neurons._base import Routing
from jaxnest.simulation import _plan
from jaxnest.simulation._arrays import at, concat, unsigned
from jaxnest.simulation._layout import Build, Index, columns_of, kind_of
from jaxnest.simulation._network import Network, Population

_STREAM_DRIVES, _STREAM_RECORDED = 1 << 10, 1 << 30


@dataclass(frozen=True)
class RecordedDrive:
    """A generator whose spikes a recorder gets directly: `index` of its devices, and what it does as a drive."""

    recorder: str
    index: np.ndarray
    plan: _plan.DrivePlan


def recorded_drives(net: Network, place: int) -> list[RecordedDrive]:
    """Generators connected to spike_recorders, in the order of connection; their sources start at `place`."""
    found: list[RecordedDrive] = []
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
                frozen=pop.frozen,
            )
            found.append(RecordedDrive(recording.recorder.name, index.astype(np.int32), plan))
            place += len(index)
    return found


def drive_plans(b: Build) -> list[_plan.DrivePlan]:
    """One plan for each generator population and group that a projection connects."""
    plans = []
    for proj in b.net.projections:
        kind = kind_of(proj)
        if kind not in ("spikes", "current"):
            continue
        b.layouts.lists[proj.name] = []
        devices = concat([np.full(len(i), k, np.int32) for k, (_, i) in enumerate(proj.pre)])
        local_device = concat([i for _, i in proj.pre])
        touched, which, local = b.index.parts_by_group(proj.post)
        (sources, targets), weights, delays = proj.drawing.pairs(), proj.weight, proj.delay
        if len(sources):
            b.driving_delays.append((int(delays.min()), int(delays.max())))
        for k, (pop, _) in enumerate(proj.pre):
            for j, group in enumerate(touched):
                rows = np.flatnonzero((devices[sources] == k) & (which[targets] == j))
                if not len(rows) and b.part is None:
                    continue
                key = f"{proj.name}[{pop.name},{group.key}]"
                place = local[targets[rows]]
                column = columns_of(group, kind, place, at(proj.receptor, rows))
                delay = np.atleast_1d(at(delays, rows))
                block = bool(len(rows) and (np.diff(column) == 1).all() and (delay == delay[0]).all())
                b.connections[key] = Values(
                    device=local_device[sources[rows]].astype(np.int32),
                    column=column[:1] if block else column,
                    delay=unsigned(delay[:1] if block else delay),
                    ident=rows.astype(np.int32),
                )
                weight = np.atleast_1d(at(weights, rows)).astype(b.dtype)
                b.params["tables"][key] = Values(weight=weight)
                b.layouts.lists[proj.name].append(key)
                signed = kind == "spikes" and group.model.routing is Routing.SIGN
                plans.append(
                    _plan.DrivePlan(
                        key=key,
                        population=pop.name,
                        model=pop.model,
                        n_devices=pop.n,
                        n=len(rows),
                        block=block,
                        inhibitory=b.inhibitory if signed else 0,
                        counts_events=kind == "spikes" and group.model.routing is Routing.COUNT,
                        stream=_STREAM_DRIVES + proj.number,  # `ident` tells its parts apart
                        frozen=pop.frozen,
                    )
                )
    return plans


def samplings(net: Network, index: Index) -> list[_plan.Sampling]:
    out: list[_plan.Sampling] = []
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


def spike_recordings(net: Network, index: Index, recorded: Sequence[RecordedDrive]) -> list[_plan.SpikeRecording]:
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
    for name, parts in sources.items():
        if len(np.unique(concat(parts))) < sum(map(len, parts)):
            raise ConfigurationError(f"{name}: a node is connected to it twice; connect each node once")
    return [
        _plan.SpikeRecording(
            name, _edge(index.pops[name], "start", net.h), _edge(index.pops[name], "stop", net.h), concat(parts)
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
