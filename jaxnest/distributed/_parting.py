"""A network cut into parts that run one program: all parts laid out, brought to one shape, and laid over the devices of a mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxnest._values import Values
from jaxnest.errors import ConfigurationError
from jaxnest.events.deliver import Table
from jaxnest.simulation import _plan
from jaxnest.simulation._compile import compile_plan
from jaxnest.simulation._layout import Build
from jaxnest.simulation._network import Network
from jaxnest.simulation._part import Part, parts_of


@dataclass(frozen=True)
class Parted:
    """`plan` of any part; `parts`; `params` and `connections` with the parts of arrays, one after another, along a first axis, which lies over the
    mesh's; `specs` of `params`: what has one value for all nodes or connections has no such axis. `builds` of this process's parts, by number."""

    plan: _plan.Plan
    parts: Sequence[Part]
    params: Any
    connections: Any
    specs: Any
    builds: Mapping[int, Build]


def part_network(net: Network, mesh: Mesh, axis: str, options: Mapping[str, Any]) -> Parted:
    """Each process lays out the parts of its own devices only.

    **Raises:** `ConfigurationError` for what cannot be parted yet.
    """
    _check(net, options)
    devices = mesh.devices.ravel()
    parts = parts_of(net, len(devices))
    mine = [k for k, d in enumerate(devices) if d.process_index == jax.process_index()]
    laid = {k: compile_plan(net, **options, part=parts[k]) for k in mine}
    plans = {k: plan for k, (plan, _) in laid.items()}
    builds = {k: build for k, (_, build) in laid.items()}
    sizes = _largest({key: max(_sizes(plan, b)[key] for plan, b in laid.values()) for key in _sizes(*laid[mine[0]])})
    blocks = _blocks(builds, plans, sizes)
    trees = {k: _padded(plans[k], builds[k], sizes, blocks, len(devices), parts) for k in mine}
    plan = _common_plan(plans, builds, sizes, blocks, axis)
    if plan.slice_steps * plan.n_all >= 2**31:
        raise ConfigurationError(f"{plan.n_all} sources are too many for slices of {plan.slice_steps} steps")
    params = {k: t[0] for k, t in trees.items()}
    specs = specs_of(plan, params[mine[0]], axis)

    def over(spec: PartitionSpec, *leaves: Any) -> Any:
        return _laid_out(mesh, spec, dict(zip(mine, leaves, strict=True)))

    laid_params = jax.tree.map(over, specs, *params.values())
    laid_connections = jax.tree.map(lambda *x: over(PartitionSpec(axis), *x), *(t[1] for t in trees.values()))
    return Parted(plan, parts, laid_params, laid_connections, specs, builds)


def _check(net: Network, options: Mapping[str, Any]) -> None:
    if options["delivery"] not in ("auto", "events"):
        raise ConfigurationError(
            f"delivery={options['delivery']!r}: networks over several devices deliver events; leave it out"
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
    sizes |= {f"n {d.key}": max(d.n, 2) for d in plan.drives}
    sizes |= {f"delay {d.key}": b.connections[d.key].delay.itemsize for d in plan.drives if d.source < 0}
    sizes |= {f"scattered {d.key}": int(not d.block and d.n > 0) for d in plan.drives}
    sizes |= {f"empty {d.key}": int(d.n == 0) for d in plan.drives}
    sizes |= {f"short {d.key}": -d.n for d in plan.drives}
    sizes |= {f"n {s.key}": max(len(s.index), 1) for s in plan.samplings}
    return sizes


def _largest(sizes: dict[str, int]) -> dict[str, int]:
    """The largest among the processes."""
    if jax.process_count() == 1:
        return sizes
    every = multihost_utils.process_allgather(np.array(list(sizes.values()), np.int64))
    return dict(zip(sizes, (int(n) for n in every.max(axis=0)), strict=True))


def _blocks(builds: Mapping[int, Build], plans: Mapping[int, _plan.Plan], sizes: Mapping[str, int]) -> dict[str, bool]:
    """Which drives act on consecutive columns, as many in each part."""
    found = {}
    for d in next(iter(plans.values())).drives:
        same = sizes[f"n {d.key}"] == -sizes[f"short {d.key}"]
        found[d.key] = same and not sizes[f"scattered {d.key}"]
    return found


def _padded(
    plan: _plan.Plan, b: Build, sizes: Mapping[str, int], blocks: Mapping[str, bool], n_parts: int, parts: Sequence[Part]
) -> tuple[Any, Any]:
    """The parameters and connections of a part, in the shapes that all parts have."""
    tables, connections = dict(b.params["tables"]), dict(b.connections)
    for t in plan.tables:
        n = sizes[f"n {t.key}"]
        table = connections[t.key]
        delay = table.delay if _one_delay(b, t) else _fill(table.delay, n, 1)
        connections[t.key] = Table(table.row_ptr, _fill(table.target, n, t.layout.low), delay.astype(_unsigned(sizes, t.key)))
        tables[t.key] = Values({k: v if _one(b, t, k) else _fill(v, n) for k, v in tables[t.key].items()})
    for d in plan.drives:
        n = sizes[f"n {d.key}"]
        v = connections[d.key]
        filled = {"device": _fill(v["device"], n), "ident": _fill(v["ident"], n, -1)}
        if d.source < 0:
            if blocks[d.key]:
                filled |= {"column": v["column"], "delay": v["delay"]}
            else:  # what fills up goes to a column that nobody reads
                columns = v["column"] if len(v["column"]) == d.n else v["column"] + np.arange(d.n, dtype=np.int32)
                delays = v["delay"] if len(v["delay"]) == d.n else np.broadcast_to(v["delay"], d.n)
                filled |= {"column": _fill(columns, n, plan.columns), "delay": _fill(delays, n, 1)}
            filled["delay"] = filled["delay"].astype(_unsigned(sizes, d.key))
            weight = tables[d.key]["weight"]
            if not _one_weight(b, d.key):
                tables[d.key] = Values(weight=_fill(weight, n))
        connections[d.key] = Values(filled)
    connections[_plan.HERE] = _here(plan, b, sizes)
    return {**b.params, "tables": tables}, connections


def _here(plan: _plan.Plan, b: Build, sizes: Mapping[str, int]) -> _plan.Here:
    part = b.part
    assert part is not None
    number = np.full(plan.n_sources, -1, np.int32)
    for g in plan.groups:
        for m in g.members:
            n = part.last(m.population) - part.first(m.population)
            begin = g.source + m.start
            number[begin : begin + n] = b.index.start[m.population] + part.first(m.population) + np.arange(n)
    recorded = np.zeros(plan.n_sources, bool)
    recorded[number >= 0] = plan.recorded[number[number >= 0]]
    if part.number == 0:  # devices are everywhere, but only one part tells of them
        for s in plan.sources:
            number[s.source : s.source + s.n] = b.index.start[s.key] + np.arange(s.n)
        last = plan.n_sources - sum(d.n for d in plan.drives if d.source >= 0)
        number[last:] = plan.n_all - (plan.n_sources - last) + np.arange(plan.n_sources - last)
        recorded = plan.recorded[np.maximum(number, 0)] & (number >= 0)
    read = {s.key: _fill(s.index.astype(np.int32), sizes[f"n {s.key}"]) for s in plan.samplings}
    return _plan.Here({g.key: g.ids for g in plan.groups}, read, number, recorded)


def _common_plan(
    plans: Mapping[int, _plan.Plan],
    builds: Mapping[int, Build],
    sizes: Mapping[str, int],
    blocks: Mapping[str, bool],
    axis: str,
) -> _plan.Plan:
    """The plan of any part: equal but for arrays, which are data here, and sizes."""
    plan = next(iter(plans.values()))
    tables = []
    for t in plan.tables:
        low, high = -sizes[f"low {t.key}"], sizes[f"high {t.key}"]
        layout = t.layout._replace(width=sizes[f"width {t.key}"], low=low if high else 0, high=high)
        tables.append(replace(t, layout=layout, n=sizes[f"n {t.key}"]))
    drives = [replace(d, n=sizes[f"n {d.key}"], block=blocks[d.key]) for d in plan.drives]
    none = np.zeros(0, np.int32)
    samplings = [replace(s, index=np.zeros(sizes[f"n {s.key}"], np.int32), senders=none) for s in plan.samplings]
    scattered = any(not blocks[d.key] for d in drives if d.source < 0)
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


def _one_weight(b: Build, key: str) -> bool:
    return any(p.weights.constant for p in b.net.projections if key in b.layouts.drives.get(p.name, []))


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


def _laid_out(mesh: Mesh, spec: PartitionSpec, leaves: Mapping[int, np.ndarray]) -> jax.Array:
    """An array over the mesh, of the parts that this process has."""
    sharding = NamedSharding(mesh, spec)
    devices = mesh.devices.ravel()
    if spec == PartitionSpec():
        first = next(iter(leaves.values()))
        pieces = [jax.device_put(first, devices[k]) for k in leaves]
        return jax.make_array_from_single_device_arrays(np.shape(first), sharding, pieces)
    pieces = [jax.device_put(np.asarray(x)[None], devices[k]) for k, x in leaves.items()]
    shape = (len(devices), *np.shape(next(iter(leaves.values()))))
    return jax.make_array_from_single_device_arrays(shape, sharding, pieces)
