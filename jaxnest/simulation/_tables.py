"""Event tables: the connections of spiking sources, sorted by source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxnest._values import Values
from jaxnest.connectivity.csr import permute, rows_by_source
from jaxnest.devices._base import Source
from jaxnest.errors import ConfigurationError
from jaxnest.events.deliver import Layout, Table, block_width
from jaxnest.neurons._base import Routing
from jaxnest.simulation import _plan
from jaxnest.simulation._arrays import at, concat, joined, sorted_by, unsigned
from jaxnest.simulation._layout import Build, Index, Segment, columns_of, drive_kind
from jaxnest.simulation._network import Network, Projection

_STREAM_TABLES = 1 << 20


def projection_orders(net: Network, plan: _plan.Plan, projection: Projection, segments: Sequence[Segment]) -> list[np.ndarray]:
    """For each segment of a projection, which of its connections (as drawn) it holds, in the table's order."""
    index = Index(net, plan.groups, plan.sources)
    source = index.sources_of(projection.pre)[projection.sources]
    touched, which, _ = index.parts_by_group(projection.post)
    orders = []
    for segment in segments:
        j = [g.key for g in touched].index(segment.group)
        rows = np.flatnonzero(which[projection.targets] == j)
        orders.append(rows[np.argsort(source[rows], kind="stable")])
    return orders


def table_plans(b: Build) -> list[_plan.TablePlan]:
    """Static projections share three tables (routed by sign; not; to relays); every other projection has its own, one
    for each group that it reaches."""
    shared: dict[str, list[tuple[Projection, str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]] = {}
    plans: list[_plan.TablePlan] = []
    for proj in b.net.projections:
        if drive_kind(proj) is not None or not len(proj):
            continue
        b.layouts.segments[proj.name] = []
        source = b.index.sources_of(proj.pre)[proj.sources]
        touched, which, local = b.index.parts_by_group(proj.post)
        for j, group in enumerate(touched):
            every = len(touched) == 1
            rows = slice(None) if every else np.flatnonzero(which[proj.targets] == j)
            column = columns_of(group, None, local[proj.targets[rows]], at(proj.receptor, rows))
            weight, delay = at(proj.weight, rows), at(proj.delay, rows)
            counts = group.model.routing is Routing.COUNT
            signed = group.model.routing is Routing.SIGN
            if proj.model.static and proj.weight_recorder is None:
                part = (proj, group.key, source[rows], column, weight, delay)
                shared.setdefault("signed" if signed else "counted" if counts else "fixed", []).append(part)
                continue
            key = proj.name if every else f"{proj.name}[{group.key}]"
            row_ptr, order = rows_by_source(source[rows], b.n_sources)
            values = {k: sorted_by(at(v, rows), order) for k, v in proj.values.items()}
            table, weight = _table(row_ptr, order, column, weight, delay, b.dtype)
            b.connections[key] = table
            b.params["tables"][key] = _synapse_params(proj, values, weight, len(order), b.dtype)
            b.layouts.segments[proj.name].append(Segment(key, group.key, np.diff(row_ptr), np.zeros(b.n_sources, np.int32)))
            plans.append(
                _plan.TablePlan(
                    key=key,
                    model=proj.model,
                    layout=_layout(row_ptr, b.inhibitory if signed else 0),
                    post_group=group.key,
                    first_column=group.column,
                    n_post=group.n,
                    counts_events=counts,
                    recorder=None if proj.weight_recorder is None else proj.weight_recorder.name,
                    stream=_STREAM_TABLES + proj.number * 64 + j,
                    n=len(order),
                    pre_repeats=any(issubclass(p.model, Source) or p.model.routing is Routing.COUNT for p, _ in proj.pre),  # type: ignore[attr-defined]
                    post_repeats=group.multiple,
                )
            )
    for key, parts in shared.items():
        plans.append(_shared_table(b, key, parts))
    return plans


def _shared_table(
    b: Build,
    key: str,
    parts: list[tuple[Projection, str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
) -> _plan.TablePlan:
    sizes = [len(part[2]) for part in parts]
    row_ptr, order = rows_by_source(concat([part[2] for part in parts]), b.n_sources)
    weight = joined([part[4] for part in parts], sizes)
    delay = joined([part[5] for part in parts], sizes)
    table, weight = _table(row_ptr, order, concat([part[3] for part in parts]), weight, delay, b.dtype)
    name = f"static.{key}"
    b.connections[name] = table
    b.params["tables"][name] = Values(weight=weight)
    offset = np.zeros(b.n_sources, np.int32)
    for proj, group, source, *_ in parts:
        counts = np.bincount(source, minlength=b.n_sources).astype(np.int32)
        b.layouts.segments[proj.name].append(Segment(name, group, counts, offset.copy()))
        offset += counts
    layout = _layout(row_ptr, b.inhibitory if key == "signed" else 0)
    return _plan.TablePlan(name, None, layout, None, 0, 0, key == "counted", None, 0, len(order))


def _layout(row_ptr: np.ndarray, inhibitory: int) -> Layout:
    return Layout(inhibitory, block_width(int(row_ptr[-1]), int((np.diff(row_ptr) > 0).sum())))


def _table(
    row_ptr: np.ndarray, order: np.ndarray, column: np.ndarray, weight: np.ndarray, delay: np.ndarray, dtype: Any
) -> tuple[Table, np.ndarray]:
    (column,) = permute(order, column)
    with np.errstate(over="ignore"):
        weight = sorted_by(weight, order).astype(dtype)
    if not np.isfinite(weight).all():
        raise ConfigurationError(f"a weight is beyond the range of {dtype}; give smaller weights, or use float64")
    return Table(row_ptr, column, unsigned(sorted_by(delay, order))), weight


def _synapse_params(proj: Projection, values: Mapping[str, np.ndarray], weight: np.ndarray, n: int, dtype: Any) -> Values:
    """Parameters of a table's synapses, (1,) or (n,), the initial weights, and the initial states that were given."""
    model = proj.model
    params = {k: np.atleast_1d(values.get(k, np.asarray(p.default))).astype(dtype) for k, p in model.parameters.items()}
    given = {k: np.atleast_1d(v).astype(dtype) for k, v in values.items() if k in model.states}
    return Values({**params, **given, "weight": np.broadcast_to(weight, (n,)).astype(dtype)})
