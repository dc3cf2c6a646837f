"""`Simulation` over the devices of a mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxnest._cache import enable_compilation_cache
from jaxnest._values import Values
from jaxnest.distributed._parting import part_network, specs_of
from jaxnest.distributed._placement import connections_in_order, parted, placement_of, whole
from jaxnest.distributed._state import At, places_of_state
from jaxnest.errors import ConfigurationError
from jaxnest.events import random
from jaxnest.events.surrogate import spike_function
from jaxnest.simulation import _run
from jaxnest.simulation._advance import Buffers, advance
from jaxnest.simulation._drives import samplings
from jaxnest.simulation._layout import Index, number_sources
from jaxnest.simulation._names import Names
from jaxnest.simulation._network import Network, Population, Projection
from jaxnest.simulation._plan import HERE, Plan, State
from jaxnest.simulation._plastic import make_room
from jaxnest.simulation._step import bind


def mesh_of(devices: int | None = None, axis: str = "neurons") -> Mesh:
    """A mesh of one axis over the first so many devices of all processes (default: all).

    **Raises:** `ConfigurationError` if there are fewer.
    """
    every = jax.devices()
    n = len(every) if devices is None else devices
    if not 1 <= n <= len(every):
        raise ConfigurationError(
            f"devices={devices!r}: JAX has {len(every)}; on CPUs, jax.config.update('jax_num_cpu_devices', n) before "
            "anything else makes n virtual ones"
        )
    return Mesh(np.array(every[:n]), (axis,))


class Simulation(_run.Simulation):
    """A network that is simulated by all devices of a `mesh` together: its neurons are cut into parts with about the same number of
    connections, one a device, each with the connections to its own neurons, and the devices tell each other the spikes once every
    shortest delay. Spikes, states and weights are those of `jaxnest.Simulation`, bit for bit, with any number of devices.

    **Arguments:** `network`; `seed`; `mesh`: its devices, of one process or several (default: all there are); further options as of
    `jaxnest.Program`.

    With several processes each of them runs the same script; `run`, and whatever reads, are called by all.

    **Raises:** `ConfigurationError` for what does not work over several devices yet: third factors, stochastic synapses,
    weight_recorders, frozen nodes, spike_weights, delivery other than that of events.
    """

    def __init__(self, network: Network, seed: int = 0, *, mesh: Mesh | None = None, **options: Any) -> None:
        enable_compilation_cache()
        self.network = network
        self.mesh = mesh_of() if mesh is None else mesh
        if len(self.mesh.axis_names) != 1:
            raise ConfigurationError(f"mesh with the axes {self.mesh.axis_names}: give one of a single axis")
        axis = self.mesh.axis_names[0]
        fire = spike_function(options.pop("surrogate", "fast_sigmoid"), options.pop("dampening", 1.0))
        wanted = {"delivery": "events", "lowering": "auto", "solver": "adaptive", "substeps": 1, "reset": "detached"}
        self.parted = part_network(network, self.mesh, axis, {**wanted, **options})
        self.params, self.connections = self.parted.params, self.parted.connections
        self._placement = placement_of(network, self.parted.plan, self.parted.parts)
        self.program = self._names()  # type: ignore[assignment]
        self._fire = fire
        self._orders: dict[str, np.ndarray] = {}
        self._programs: dict[Any, Callable[..., Any]] = {}
        over, everywhere = PartitionSpec(axis), PartitionSpec()
        make = partial(_begin, self.parted.plan, _run.rooms_of(self.parted.plan), self.parted.specs)
        start = jax.jit(
            jax.shard_map(
                make, mesh=self.mesh, in_specs=(self.parted.specs, everywhere), out_specs=(over, over), check_vma=False
            )
        )
        key = self._everywhere(np.asarray(random.key_from_seed(seed)))
        self.state, self._buffers = start(self.params, key)
        self._advance = self._run_parts
        self._begin_recording()

    def _names(self) -> Names:
        """The names of the whole network, as on one device."""
        plan, groups = self.parted.plan, self._placement.groups
        index = Index(self.network, groups, number_sources(self.network, groups)[0])
        idents = {d.key: self._fetch(self.connections[d.key]["ident"]) for d in plan.drives}
        sizes = {t.key: int(self._fetch(self.connections[t.key].row_ptr[:, -1]).sum()) for t in plan.tables}
        whole = replace(
            plan,
            groups=groups,
            samplings=tuple(samplings(self.network, index)),
            tables=tuple(replace(t, n=sizes[t.key]) for t in plan.tables),
            drives=tuple(replace(d, n=int((idents[d.key] >= 0).sum())) for d in plan.drives),
            axis="",
        )
        order = {key: Values(ident=np.sort(ident[ident >= 0])) for key, ident in idents.items()}
        layouts = next(iter(self.parted.builds.values())).layouts
        return Names(self.network, whole, layouts, index, order)

    def _everywhere(self, value: np.ndarray) -> jax.Array:
        sharding = NamedSharding(self.mesh, PartitionSpec())
        return jax.make_array_from_callback(np.shape(value), sharding, lambda index: np.asarray(value)[index])

    def _run_parts(self, params: Any, connections: Any, state: State, buffers: Buffers, n: Any) -> Any:
        """`advance` on all devices, compiled once for each set of parameters that have values of their own."""
        specs = specs_of(self.parted.plan, params, self.mesh.axis_names[0])
        found = str(specs)
        if found not in self._programs:
            over, everywhere = PartitionSpec(self.mesh.axis_names[0]), PartitionSpec()
            work = partial(_advance, self.parted.plan, self._fire, specs)
            program = jax.shard_map(
                work, mesh=self.mesh, in_specs=(specs, over, over, over, everywhere), out_specs=(over, over), check_vma=False
            )
            self._programs[found] = jax.jit(program, donate_argnums=(2, 3))
        return self._programs[found](params, connections, state, buffers, self._everywhere(np.asarray(n)))

    def _chunk(self) -> int:
        n = super()._chunk()
        return n if jax.process_count() == 1 else int(multihost_utils.broadcast_one_to_all(np.int32(n)))

    def agreed(self, flag: bool) -> bool:
        return flag if jax.process_count() == 1 else bool(multihost_utils.process_allgather(np.bool_(flag)).any())

    def _number(self, value: Any) -> int:
        return int(self._fetch(value).max())

    def _fetch(self, array: Any) -> np.ndarray:
        """All of an array, also what other processes hold."""
        if jax.process_count() == 1:
            return np.asarray(array)
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))

    # --- recordings -----------------------------------------------------------------------------------------------

    def _drain(self, buffers: Buffers) -> None:
        if buffers.spikes is not None:
            self._drain_spikes(buffers)
        for s in self.program.plan.samplings:
            sample = buffers.samples[s.key]
            n = self._number(sample.count)
            if n:
                steps = self._fetch(sample.step)[0, :n].copy()
                values = {f: self._sampled(s.key, self._fetch(v)[:, :n]) for f, v in sample.values.items()}
                self._samples[s.key].append((steps, values))

    def _drain_spikes(self, buffers: Buffers) -> None:
        b = buffers.spikes
        assert b is not None
        counts, numbers = self._fetch(b.count), self._fetch(self.connections[HERE].number)
        if not counts.max():
            return
        most = int(counts.max())
        step, source, times = (self._fetch(x[:, :most]) for x in (b.step, b.source, b.multiplicity))
        kept = [(step[k, :n], numbers[k][source[k, :n]], times[k, :n]) for k, n in enumerate(counts)]
        step, source, times = (np.concatenate(x) for x in zip(*kept, strict=True))
        order = np.lexsort((source, step))
        self._spikes.append((step[order], source[order], times[order]))

    def _sampled(self, key: str, values: np.ndarray) -> np.ndarray:
        """What the parts (parts, rows, …, n) sampled, in the order of the recorded nodes: (rows, …, n)."""
        s = next(s for s in self.program.plan.samplings if s.key == key)
        place = self._placement.nodes[s.group][s.index]
        owner = place // self.parted.plan.group(s.group).n
        column = np.zeros(len(owner), np.int64)
        for k in np.unique(owner):
            column[owner == k] = np.arange(int((owner == k).sum()))
        return np.moveaxis(np.moveaxis(values, -1, 1)[owner, column], 0, -1)

    # --- values ---------------------------------------------------------------------------------------------------

    def get(self, owner: Population | Projection | str, key: str) -> np.ndarray:
        name = owner if isinstance(owner, str) else owner.name
        key = key.rstrip("_")
        model = self.network[name].model
        in_state = key in model.states and not (key == "weight" and getattr(model, "static", False))
        tree = self._seen(self.state if in_state else self.params, name)
        return np.asarray(self.program.get(tree, f"{name}.{key}"))

    def set(self, owner: Population | Projection | str, **values: Any) -> None:
        name = owner if isinstance(owner, str) else owner.name
        params, state = self.params, self.state
        seen_params, seen_state = self._seen(params, name), self._seen(state, name)
        try:
            self.params, self.state = seen_params, seen_state
            super().set(owner, **values)
            new_params, new_state = self.params, self.state
        finally:
            self.params, self.state = params, state
        self.params = self._written(params, seen_params, new_params)
        self.state = self._written(state, seen_state, new_state)

    def _seen(self, tree: Any, owner: str) -> Any:
        """Of parameters or a state what belongs to a population or a projection, as on one device."""
        in_state = isinstance(tree, State)
        nodes, tables = (tree.nodes, tree.tables) if in_state else (tree["nodes"], tree["tables"])
        keys = [key for key, _, _ in self.program.connection_parts(owner)] if owner not in self.program.populations else []
        group = self.program.place(owner)[0] if not keys and owner in self.program.populations else None
        chosen = (
            {} if group is None or group not in nodes else {group: self._whole(nodes[group], group)}
        )  # generators' states have other names
        held: dict[str, Any] = {}
        for key in keys:
            if key in tables:
                values = tables[key].synapse if in_state else tables[key]
                held[key] = self._whole(values, key)
                if in_state:
                    held[key] = tables[key]._replace(synapse=held[key])
        if in_state:
            return replace(tree, nodes=chosen, tables=held)
        return {**tree, "nodes": chosen, "tables": held}

    def _whole(self, values: Values, key: str) -> Values:
        places = self._places(key)
        if places is None:
            return jax.tree.map(lambda x: jnp.asarray(self._fetch(x)), values)
        return Values({k: jnp.asarray(v if v.shape[-1] == 1 else whole(v, places)) for k, v in self._fetched(values)})

    def _fetched(self, values: Values) -> list[tuple[str, np.ndarray]]:
        return [(k, self._fetch(v)) for k, v in values.items()]

    def _places(self, key: str) -> np.ndarray | None:
        """The places of the neurons of a group, or of the connections of a table or a drive; None for devices."""
        plan = self.parted.plan
        if key in self._placement.nodes:
            return self._placement.nodes[key]
        if any(d.key == key for d in plan.drives):
            ident = self._fetch(self.connections[key]["ident"]).ravel()
            there = np.flatnonzero(ident >= 0)
            return there[np.argsort(ident[there], kind="stable")]
        if not any(t.key == key for t in plan.tables):
            return None
        if key not in self._orders:
            fetched = {key: jax.tree.map(self._fetch, self.connections[key])}
            self._orders[key] = connections_in_order(plan, key, fetched, self._placement.columns)
        return self._orders[key]

    def _written(self, tree: Any, seen: Any, new: Any) -> Any:
        """`tree` with what changed from `seen` to `new`."""

        def back(key: str, old: Values, before: Values, after: Values) -> Values:
            changed = {k: self._parted(key, old[k], after[k]) for k in after if after[k] is not before[k]}
            return old.replace(**changed) if changed else old

        if isinstance(tree, State):
            nodes = {k: back(k, tree.nodes[k], seen.nodes[k], new.nodes[k]) for k in seen.nodes}
            tables = {
                k: tree.tables[k]._replace(
                    synapse=back(k, tree.tables[k].synapse, seen.tables[k].synapse, new.tables[k].synapse)
                )
                for k in seen.tables
            }
            return replace(tree, nodes={**tree.nodes, **nodes}, tables={**tree.tables, **tables})
        nodes = {k: back(k, tree["nodes"][k], seen["nodes"][k], new["nodes"][k]) for k in seen["nodes"]}
        tables = {k: back(k, tree["tables"][k], seen["tables"][k], new["tables"][k]) for k in seen["tables"]}
        return {**tree, "nodes": {**tree["nodes"], **nodes}, "tables": {**tree["tables"], **tables}}

    def _parted(self, key: str, old: Any, value: Any) -> Any:
        """A new `value` of the whole network as the parts hold it."""
        places, value = self._places(key), np.asarray(value)
        if places is None or value.shape[-1] == 1:
            return self._everywhere(value)
        before, n_parts = self._fetch(old), self.mesh.size
        if before.shape[-1] == 1:  # had one value for all
            length = self._length(key)
            before = np.broadcast_to(before, (n_parts, *before.shape[:-1], length))
        new = parted(value, places, before)
        sharding = NamedSharding(self.mesh, PartitionSpec(self.mesh.axis_names[0]))
        return jax.make_array_from_callback(new.shape, sharding, lambda index: new[index])

    def _length(self, key: str) -> int:
        plan = self.parted.plan
        if key in self._placement.nodes:
            return plan.group(key).n
        return {**{t.key: t.n for t in plan.tables}, **{d.key: d.n for d in plan.drives}}[key]

    # --- the whole state ------------------------------------------------------------------------------------------

    def whole_state(self) -> State:
        over = PartitionSpec(self.mesh.axis_names[0])
        specs = specs_of(self.parted.plan, self.params, self.mesh.axis_names[0])
        settle = jax.shard_map(
            partial(_settled, self.parted.plan, specs),
            mesh=self.mesh,
            in_specs=(specs, over, over),
            out_specs=over,
            check_vma=False,
        )
        state = jax.tree.map(self._fetch, jax.jit(settle)(self.params, self.connections, self.state))
        at = places_of_state(self.parted.plan, self._placement, self.state, self._connections_at)
        return jax.tree.map(lambda a, x: a.whole(x), at, state)

    def take_state(self, state: State) -> None:
        sharding = NamedSharding(self.mesh, PartitionSpec(self.mesh.axis_names[0]))

        def lay(at: At, old: Any, value: Any) -> jax.Array:
            new = at.parted(np.asarray(value), self._fetch(old))
            return jax.make_array_from_callback(new.shape, sharding, lambda index: new[index])

        at = places_of_state(self.parted.plan, self._placement, self.state, self._connections_at)
        self.state = jax.tree.map(lay, at, self.state, state)

    def whole_params(self) -> Any:
        p = self.params
        nodes = {key: self._whole(values, key) for key, values in p["nodes"].items()}
        tables = {key: self._whole(values, key) for key, values in p["tables"].items()}
        return jax.tree.map(np.asarray, {**p, "nodes": nodes, "tables": tables})

    def take_params(self, params: Any) -> None:
        def taken(kind: str) -> dict[str, Values]:
            return {
                key: Values({k: self._parted(key, old[k], params[kind][key][k]) for k in old})
                for key, old in self.params[kind].items()
            }

        self.params = {**self.params, "nodes": taken("nodes"), "tables": taken("tables")}

    def _connections_at(self, key: str) -> np.ndarray:
        places = self._places(key)
        assert places is not None
        return places

    def _report_fault(self, state: State, fault: int) -> None:
        nodes = {g.key: self._whole(state.nodes[g.key], g.key) for g in self._placement.groups}
        super()._report_fault(replace(state, nodes=nodes), fault)


def _settled(plan: Plan, specs: Any, params: Any, connections: Any, state: State) -> Any:
    """The state after all synapses have used the spikes of their targets, so that all parts have used the same."""
    here = _first(state)
    bound = bind(plan, _here(specs, params), _first(connections))
    return _again(make_room(plan, bound, here, here.step - here.step % plan.slice_steps))


def _here(specs: Any, params: Any) -> Any:
    """This device's part of the parameters."""
    return jax.tree.map(lambda spec, x: x if spec == PartitionSpec() else x[0], specs, params)


def _first(tree: Any) -> Any:
    return jax.tree.map(lambda x: x[0], tree)


def _again(tree: Any) -> Any:
    return jax.tree.map(lambda x: x[None], tree)


def _begin(plan: Plan, rooms: _run.Rooms, specs: Any, params: Any, key: Any) -> Any:
    return _again(_run.begin(plan, rooms, _here(specs, params), key))


def _advance(
    plan: Plan, fire: Any, specs: Any, params: Any, connections: Mapping[str, Any], state: State, buffers: Buffers, n: Any
) -> Any:
    return _again(advance(plan, fire, _here(specs, params), _first(connections), _first(state), _first(buffers), n))
