"""From the description to the program: same-model populations to one array, connections to event tables."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxnest._time import as_steps
from jaxnest._values import Values
from jaxnest.devices._base import Drive, Source
from jaxnest.errors import ConfigurationError
from jaxnest.events import native
from jaxnest.simulation import _plan
from jaxnest.simulation._arrays import concat
from jaxnest.simulation._couplings import coupling_plans
from jaxnest.simulation._drives import drive_plans, recorded_drives, samplings, spike_recordings
from jaxnest.simulation._layout import (
    Build,
    Index,
    check_precision,
    group_populations,
    number_sources,
    stack,
)
from jaxnest.simulation._network import Network
from jaxnest.simulation._part import Part
from jaxnest.simulation._tables import table_plans

#: a slice is not longer than this, whatever the smallest delay (the spikes of a slice are held in one array)
_LONGEST_SLICE = 32
#: with fewer connections than this it is faster to visit all in every step
_DENSE_BELOW = 4096


def compile_plan(
    net: Network,
    *,
    delivery: str,
    lowering: str,
    solver: str,
    substeps: int,
    reset: str,
    min_delay: float | None = None,
    waiting: float | None = None,
    relaxation: _plan.Relaxation | None = None,
    part: Part | None = None,
) -> tuple[_plan.Plan, Build]:
    """Lay out the network, or a part of it: the plan, and with it the parameters, the connections, and where each name went."""
    relaxation = _plan.Relaxation() if relaxation is None else relaxation
    _check_options(delivery, lowering, solver, substeps, reset, relaxation)
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(float))
    here = net.restricted(part)
    groups, inhibitory, columns = group_populations(here)
    sources, n_sources = number_sources(net, groups)
    recorded = recorded_drives(net, n_sources)
    n_sources += sum(r.plan.n for r in recorded)
    index = whole = Index(net, groups, sources)
    slot = columns
    if part is not None:
        all_groups, _, slot = group_populations(net)
        whole = Index(net, all_groups, number_sources(net, all_groups)[0])
        index = Index(net, groups, sources, part, whole)
    own_ids = whole.source_ids()
    heard = recorded if part is None else recorded_drives(net, len(own_ids))  # by their numbers in the whole network
    source_ids = concat([own_ids, *(whole.pops[r.plan.population].first + r.index for r in recorded)])
    params: dict[str, Any] = {"h": np.asarray(net.h, dtype), "nodes": _node_values(here, groups, dtype), "tables": {}}
    b = Build(net, index, len(source_ids), inhibitory, slot, dtype, params, matrices=delivery == "matrix", part=part)
    drives = drive_plans(b)
    for r in recorded:
        drives.append(r.plan)
        b.connections[r.plan.key] = Values(device=r.index, ident=np.arange(r.plan.n, dtype=np.int32))
    tables = table_plans(b)
    signals, couplings = coupling_plans(b)
    shortest, longest = _delays(b)
    slice_steps = _slice(b, shortest, any(t.modulator is not None for t in tables), min_delay)
    slots = _slots(b, shortest, longest, waiting)
    if slots * columns >= 2**31:
        raise ConfigurationError(
            f"the ring buffer would have {slots} x {columns} places, more than 2**31; shorten the longest delay"
        )
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
        samplings=tuple(samplings(net, b.index)),
        recordings=tuple(spike_recordings(net, b.index, heard)),
        dense=delivery == "dense" or (delivery != "events" and sum(t.n for t in tables if not t.layout.matrix) < _DENSE_BELOW),
        native=lowering != "xla" and native.available(),
        log_length=2 * (longest + 2 * slice_steps + 16),
        window_length=longest + slice_steps + 1,
        solver=solver,
        substeps=substeps,
        reset=reset,
        source_ids=source_ids,
        n_all=len(source_ids),
        relaxation=relaxation,
        signals=tuple(signals),
        couplings=tuple(couplings),
    )
    return replace(plan, fingerprint=_fingerprint(plan)), b


def _fingerprint(plan: _plan.Plan) -> str:
    """A digest of the plan's arrays."""
    digest = hashlib.sha256()
    masks = (*(g.frozen for g in plan.groups), *(s.frozen for s in plan.sources), *(d.frozen for d in plan.drives))
    frozen = [np.zeros(0, bool) if mask is None else mask for mask in masks]
    arrays = (*(g.ids for g in plan.groups), *(s.index for s in plan.samplings), *(r.sources for r in plan.recordings), *frozen)
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check_options(delivery: str, lowering: str, solver: str, substeps: int, reset: str, relaxation: _plan.Relaxation) -> None:
    if delivery not in ("auto", "events", "dense", "matrix"):
        raise ConfigurationError(f"delivery={delivery!r} must be 'auto', 'events', 'dense' or 'matrix'")
    if lowering not in ("auto", "xla", "native"):
        raise ConfigurationError(f"lowering={lowering!r} must be 'auto', 'xla' or 'native' (C++ on the CPU)")
    if lowering == "native" and not native.available():
        raise ConfigurationError(
            f"lowering='native' needs the C++ library ({native.status()}) and JAX on the CPU; use lowering='auto'"
        )
    if solver not in ("adaptive", "fixed"):
        raise ConfigurationError(f"solver={solver!r} must be 'adaptive' (GSL's RKF45, as NEST) or 'fixed'")
    if not isinstance(substeps, int) or substeps < 1:
        raise ConfigurationError(f"substeps={substeps!r} must be a positive integer")
    if reset not in ("detached", "attached"):
        raise ConfigurationError(f"reset={reset!r} must be 'detached' or 'attached'")
    tol, most, order = relaxation
    if not (tol >= 0 and isinstance(most, int) and most >= 0 and order in (0, 1, 3)):
        raise ConfigurationError(
            f"{relaxation!r}: tol and max_iterations must not be negative, and interpolation_order 0, 1 or 3"
        )


def _node_values(net: Network, groups: Sequence[_plan.Group], dtype: Any) -> dict[str, Values]:
    """Parameters and given initial states of groups and devices."""
    values = {g.key: stack(net, g.members, dtype) for g in groups}
    for pop in net.populations:
        if issubclass(pop.model, Drive):
            check_precision(pop, net.h, dtype)
            values[pop.name] = stack(net, (_plan.Member(pop.name, 0, pop.n),), dtype)
        elif issubclass(pop.model, Source):
            values[pop.name] = Values(pop.model.leaves(pop.options, pop.values, net.h, dtype))
    return values


def _slice(b: Build, shortest: int, modulated: bool, min_delay: float | None) -> int:
    """The length of a slice, in steps. It matters where there are modulators, and then is not cut off."""
    if min_delay is not None:
        steps = int(as_steps("min_delay", min_delay, b.net.h))
        if not 1 <= steps <= shortest:
            raise ConfigurationError(f"min_delay={min_delay!r} must be positive, and at most the shortest delay of a spike")
        return steps
    if modulated:
        return min(low for low, _ in (*b.spiking_delays, *b.driving_delays))
    return min(shortest, _LONGEST_SLICE)


def _slots(b: Build, shortest: int, longest: int, waiting: float | None) -> int:
    """The number of rows of the ring buffer: what arrives at frozen neurons waits for as many steps."""
    if waiting is not None:
        steps = int(as_steps("waiting", waiting, b.net.h))
        if steps <= longest:
            raise ConfigurationError(f"waiting={waiting!r} must be longer than the longest delay")
        return steps
    return longest + (1 if all(p.frozen is None for p in b.net.populations) else shortest)


def _delays(b: Build) -> tuple[int, int]:
    """The shortest delay of a spiking source, which bounds a slice, and the longest of all, in steps."""
    shortest = min((low for low, _ in b.spiking_delays), default=_LONGEST_SLICE)
    return shortest, max((high for _, high in (*b.spiking_delays, *b.driving_delays)), default=1)
