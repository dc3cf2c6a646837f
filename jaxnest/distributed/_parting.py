"""A network cut into parts that run one program: all parts laid out, brought to one shape, and laid over the devices of a mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxnest._values import Values
from jaxnest.distributed._mesh import holders
from jaxnest.distributed._placement import Placement, placement_of
from jaxnest.errors import ConfigurationError
from jaxnest.events.deliver import Table
from jaxnest.simulation import _plan
from jaxnest.simulation._compile import compile_plan
from jaxnest.simulation._layout import Build, Layouts
from jaxnest.simulation._network import Network
from jaxnest.simulation._part import parts_of
from jaxnest.synapses._base import Coupling


@dataclass(frozen=True)
class Parted:
    """`plan` of any part, and where the whole network lies in the parts; `params` and `connections` with the parts of arrays, one after another,
    along a first axis, which lies over the mesh's (but see `specs_of`); `layouts`: what tables and drives hold a projection's connections."""

    plan: _plan.Plan
    placement: Placement
    params: Any
    connections: Any
    layouts: Layouts


def part_network(net: Network, mesh: Mesh, axis: str, options: Mapping[str, Any]) -> Parted:
    """Each process lays out the parts of its own devices only.

    **Raises:** `ConfigurationError` for what cannot be parted yet.
    """
    _check(net, options)
    parts = parts_of(net, mesh.shape[axis])
    mine = sorted({k for _, k in holders(mesh, axis)})
    laid = [compile_plan(net, **options, part=parts[k]) for k in mine]
    sizes = _largest([_sizes(plan, build) for plan, build in laid])
    plan = _common_plan(laid[0][0], sizes, axis)
    if plan.slice_steps * plan.n_all >= 2**31:
        raise ConfigurationError(f"{plan.n_all} sources are too many for slices of {plan.slice_steps} steps")
    placement = placement_of(net, plan, parts)
    numbers = placement.numbers(len(parts), plan.n_sources)
    trees = [_padded(own, build, plan, sizes, numbers[k]) for k, (own, build) in zip(mine, laid, strict=True)]

    def over(spec: PartitionSpec, *leaves: Any) -> Any:
        return _laid_out(mesh, axis, spec, dict(zip(mine, leaves, strict=True)))

    params = jax.tree.map(over, specs_of(plan, trees[0][0], axis), *(params for params, _ in trees))
    connections = jax.tree.map(partial(over, PartitionSpec(axis)), *(connections for _, connections in trees))
    return Parted(plan, placement, params, connections, laid[0][1].layouts)


def _check(net: Network, options: Mapping[str, Any]) -> None:
    if options["delivery"] not in ("auto", "events"):
        raise ConfigurationError(
            f"delivery={options['delivery']!r}: networks that are cut into parts deliver events; leave it out"
        )
    for p in net.projections:
        if p.weight_recorder is not None:
            raise ConfigurationError(
                f"{p.name}: weight_recorders do not work over several devices yet; read the weights between runs"
            )
        if p.modulator is not None:
            raise ConfigurationError(
                f"{p.name}: {p.model.name} needs a third factor, which does not work over several devices yet"
            )
        if issubclass(p.model, Coupling):
            raise ConfigurationError(f"{p.name}: couplings ({p.model.name}) do not work over several devices yet")
        if p.model.eager:
            raise ConfigurationError(f"{p.name}: {p.model.name} does not work over several devices yet")
        if p.model.stochastic:
            raise ConfigurationError(
                f"{p.name}: {p.model.name} draws random numbers, which does not work over several devices yet"
            )
    for pop in net.populations:
        if pop.frozen is not None:
            raise ConfigurationError(f"{pop.name}: frozen nodes do not work over several devices yet")
        if pop.options.get("weighted"):
            raise ConfigurationError(f"{pop.name}: spike_weights do not work over several devices yet")


def _sizes(plan: _plan.Plan, b: Build) -> dict[str, int]:
    """How long arrays of a part are. Those of connections have two elements at least, since one element would be a value for all."""
    sizes = {f"n {t.key}": max(len(b.connections[t.key].target), 2) for t in plan.tables}
    sizes |= {f"delay {t.key}": b.connections[t.key].delay.itemsize for t in plan.tables}
    sizes |= {f"width {t.key}": t.layout.width for t in plan.tables}
    sizes |= {f"high {t.key}": t.layout.high for t in plan.tables}
    sizes |= {f"low {t.key}": -t.layout.low if t.layout.high else -(2**30) for t in plan.tables}
    for d in _driving(plan):
        sizes[f"n {d.key}"] = max(d.n, 2)
        sizes[f"delay {d.key}"] = b.connections[d.key].delay.itemsize
        sizes[f"scattered {d.key}"] = int(not d.block and d.n > 0)
        sizes[f"short {d.key}"] = -d.n
    sizes |= {f"n {s.key}": max(len(s.index), 1) for s in plan.samplings}
    return sizes


def _driving(plan: _plan.Plan) -> list[_plan.DrivePlan]:
    """The drives that act on neurons. Those that are only recorded are the same in all parts."""
    return [d for d in plan.drives if d.source < 0]


def _largest(sizes: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The largest of each size among all parts of all processes."""
    largest = np.array([list(each.values()) for each in sizes], np.int64).max(axis=0)
    if jax.process_count() > 1:
        largest = multihost_utils.process_allgather(largest).max(axis=0)
    return dict(zip(sizes[0], largest.tolist(), strict=True))


def _padded(
    own: _plan.Plan, b: Build, plan: _plan.Plan, sizes: Mapping[str, int], number: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and connections of a part, of which `own` is the plan, in the shapes that all parts have."""
    tables, connections = dict(b.params["tables"]), dict(b.connections)
    for t in own.tables:
        n = sizes[f"n {t.key}"]
        table = connections[t.key]
        delay = table.delay if _one_delay(b, t) else _fill(table.delay, n, 1)
        connections[t.key] = Table(table.row_ptr, _fill(table.target, n, t.layout.low), delay.astype(_unsigned(sizes, t.key)))
        tables[t.key] = Values({k: v if _one(b, t, k) else _fill(v, n) for k, v in tables[t.key].items()})
    for here, common in zip(_driving(own), _driving(plan), strict=True):
        connections[here.key], tables[here.key] = _padded_drive(here, common, own.columns, b, _unsigned(sizes, here.key))
    recorded = (number >= 0) & plan.recorded[np.maximum(number, 0)]
    read = {s.key: _fill(s.index.astype(np.int32), sizes[f"n {s.key}"]) for s in own.samplings}
    connections[_plan.HERE] = _plan.Here({g.key: g.ids for g in own.groups}, read, number, recorded)
    return {**b.params, "tables": tables}, connections


def _padded_drive(own: _plan.DrivePlan, common: _plan.DrivePlan, unread: int, b: Build, delays: Any) -> tuple[Values, Values]:
    """The connections of a drive and their weights. What fills them up goes to the column `unread`."""
    v, weights, n = b.connections[own.key], b.params["tables"][own.key], common.n
    column, delay = v.column, v.delay
    if not common.block:
        column = column + np.arange(own.n, dtype=np.int32) if own.block else column
        column, delay = _fill(column, n, unread), _fill(np.broadcast_to(delay, own.n), n, 1)
    if not any(p.weights.constant for p in b.net.projections if own.key in b.layouts.lists.get(p.name, [])):
        weights = Values(weight=_fill(weights.weight, n))
    filled = Values(device=_fill(v.device, n), ident=_fill(v.ident, n, -1), column=column, delay=delay.astype(delays))
    return filled, weights


def _common_plan(plan: _plan.Plan, sizes: Mapping[str, int], axis: str) -> _plan.Plan:
    """The plan of any part, of one part's: they are equal but for sizes, and for arrays, which are data here."""
    tables = []
    for t in plan.tables:
        low, high = -sizes[f"low {t.key}"], sizes[f"high {t.key}"]
        layout = t.layout._replace(width=sizes[f"width {t.key}"], low=low if high else 0, high=high)
        tables.append(replace(t, layout=layout, n=sizes[f"n {t.key}"]))
    drives = [d if d.source >= 0 else _common_drive(d, sizes) for d in plan.drives]
    none = np.zeros(0, np.int32)
    samplings = [replace(s, index=np.zeros(sizes[f"n {s.key}"], np.int32), senders=none) for s in plan.samplings]
    scattered = not all(d.block for d in drives if d.source < 0)  # then there is a column that nobody reads
    return replace(
        plan,
        columns=plan.columns + scattered,
        tables=tuple(tables),
        drives=tuple(drives),
        samplings=tuple(samplings),
        groups=tuple(replace(g, ids=none) for g in plan.groups),
        axis=axis,
        fingerprint=f"parted {plan.n_all}",
    )


def _common_drive(d: _plan.DrivePlan, sizes: Mapping[str, int]) -> _plan.DrivePlan:
    """A block only where it is one in all parts, of equal length."""
    n = sizes[f"n {d.key}"]
    return replace(d, n=n, block=n == -sizes[f"short {d.key}"] and not sizes[f"scattered {d.key}"])


def _one_delay(b: Build, t: _plan.TablePlan) -> bool:
    """Whether all that a table holds has one delay."""
    delays = [p.delays for p in _projections(b, t.key)]
    return all(d.constant for d in delays) and len({int(d.number) for d in delays}) == 1


def _projections(b: Build, key: str) -> list[Any]:
    return [p for p in b.net.projections if any(h.table == key for h in b.layouts.tables.get(p.name, []))]


def _one(b: Build, t: _plan.TablePlan, name: str) -> bool:
    """Whether a table's value is one for all connections."""
    if b.params["tables"][t.key][name].size != 1:
        return False
    held = _projections(b, t.key)
    if t.model is None:
        return len(held) == 1 and held[0].weights.constant
    given = {**held[0].values, "weight": held[0].weights}
    return name not in given or given[name].constant


def _unsigned(sizes: Mapping[str, int], key: str) -> Any:
    return np.dtype(f"u{sizes[f'delay {key}']}")


def _fill(array: np.ndarray, n: int, value: Any = 0) -> np.ndarray:
    """The array with a last axis of length `n`."""
    more = np.full((*array.shape[:-1], n - array.shape[-1]), value, array.dtype)
    return np.concatenate([array, more], axis=-1)


def specs_of(plan: _plan.Plan, params: Any, axis: str) -> Any:
    """Which parameters are parted: those with values of their own for each neuron or connection. Devices are the same everywhere."""

    def parted(x: np.ndarray) -> PartitionSpec:
        return PartitionSpec() if x.shape[-1] == 1 else PartitionSpec(axis)

    whole = jax.tree.map(lambda _: PartitionSpec(), params)
    groups = {g.key: jax.tree.map(parted, params["nodes"][g.key]) for g in plan.groups}
    return {**whole, "nodes": {**whole["nodes"], **groups}, "tables": jax.tree.map(parted, params["tables"])}


def _laid_out(mesh: Mesh, axis: str, spec: PartitionSpec, leaves: Mapping[int, np.ndarray]) -> jax.Array:
    """An array over the mesh, of the parts that this process has."""
    sharding = NamedSharding(mesh, spec)
    first = next(iter(leaves.values()))
    if spec == PartitionSpec():
        pieces = [jax.device_put(first, device) for device, _ in holders(mesh, axis)]
        return jax.make_array_from_single_device_arrays(np.shape(first), sharding, pieces)
    pieces = [jax.device_put(np.asarray(leaves[k])[None], device) for device, k in holders(mesh, axis)]
    return jax.make_array_from_single_device_arrays((mesh.shape[axis], *np.shape(first)), sharding, pieces)
