"""`Simulation` over the devices of a mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from jaxnest.distributed._placement import At, connections_in_order
from jaxnest.distributed._state import places_of_state
from jaxnest.errors import ConfigurationError
from jaxnest.events import random
from jaxnest.events.deliver import Table
from jaxnest.events.surrogate import spike_function
from jaxnest.simulation import _run
from jaxnest.simulation._advance import Buffers, SpikeBuffer, advance, rooms_of
from jaxnest.simulation._drives import samplings
from jaxnest.simulation._layout import Index, Layouts, number_sources
from jaxnest.simulation._names import Names
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import HERE, Plan, Sampling, State
from jaxnest.simulation._plastic import make_room
from jaxnest.simulation._recordings import Recordings
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
        self._axis = self.mesh.axis_names[0]
        self._fire = spike_function(options.pop("surrogate", "fast_sigmoid"), options.pop("dampening", 1.0))
        wanted = {"delivery": "events", "lowering": "auto", "solver": "adaptive", "substeps": 1, "reset": "detached"}
        parted = part_network(network, self.mesh, self._axis, {**wanted, **options})
        self.plan, self._placement = parted.plan, parted.placement
        self.params, self.connections = parted.params, parted.connections
        self.program = self._names(parted.layouts)  # type: ignore[assignment]
        self.recordings = Recordings(self.program)
        self._numbers = self._placement.numbers(self.mesh.size, self.plan.n_sources)
        self._orders: dict[str, np.ndarray] = {}
        self._programs: dict[str, Callable[..., Any]] = {}
        self._devices = {}
        self._rate = 0.0
        begin = partial(_run.begin, self.plan, rooms_of(self.plan))
        key = self._everywhere(np.asarray(random.key_from_seed(seed)))
        self.state, self._buffers = self._over_devices(begin, "", self.params, key)
        self._advance = self._run_parts

    def _names(self, layouts: Layouts) -> Names:
        """The names of the whole network, as on one device."""
        plan, groups = self.plan, self._placement.groups
        index = Index(self.network, groups, number_sources(self.network, groups)[0])
        idents = {d.key: np.sort(self._fetch(self.connections[d.key].ident), axis=None) for d in plan.drives if d.source < 0}
        idents = {key: ident[ident >= 0] for key, ident in idents.items()}
        sizes = {t.key: int(self._fetch(self.connections[t.key].row_ptr[:, -1]).sum()) for t in plan.tables}
        whole = replace(
            plan,
            groups=groups,
            samplings=tuple(samplings(self.network, index)),
            tables=tuple(replace(t, n=sizes[t.key]) for t in plan.tables),
            drives=tuple(replace(d, n=len(idents[d.key])) if d.key in idents else d for d in plan.drives),
            axis="",
        )
        return Names(self.network, whole, layouts, index, {key: Values(ident=ident) for key, ident in idents.items()})

    def _over_devices(
        self, function: Callable[..., Any], kinds: str, params: Any, *operands: Any, donate: tuple[int, ...] = ()
    ) -> Any:
        """`function` of a part's parameters and operands on each device. `kinds` has a letter for each operand: "p" where parts have their own,
        else all have the same. Compiled once for each set of parameters that have values of their own."""
        specs = specs_of(self.plan, params, self._axis)
        name = f"{function.func.__name__} {specs}"  # type: ignore[attr-defined]
        if name not in self._programs:
            over, everywhere = PartitionSpec(self._axis), PartitionSpec()
            given = [over if kind == "p" else everywhere for kind in kinds.ljust(len(operands))]
            program = jax.shard_map(
                partial(_on_part, function, (specs, *given)),
                mesh=self.mesh,
                in_specs=(specs, *given),
                out_specs=over,
                check_vma=False,
            )
            self._programs[name] = jax.jit(program, donate_argnums=donate)
        return self._programs[name](params, *operands)

    def _run_parts(self, params: Any, connections: Any, state: State, buffers: Buffers, n: Any) -> Any:
        """`advance` on all devices."""
        steps = self._everywhere(np.asarray(n))
        work = partial(advance, self.plan, self._fire)
        return self._over_devices(work, "ppp ", params, connections, state, buffers, steps, donate=(2, 3))

    def _everywhere(self, value: np.ndarray) -> jax.Array:
        return self._placed(value, PartitionSpec())

    def _placed(self, value: np.ndarray, spec: PartitionSpec) -> jax.Array:
        """An array over the mesh, which all processes have whole."""
        return jax.make_array_from_callback(
            np.shape(value), NamedSharding(self.mesh, spec), lambda index: np.asarray(value)[index]
        )

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

    def _record(self, buffers: Buffers) -> None:
        if buffers.spikes is not None:
            self._record_spikes(buffers.spikes)
        for s in self.program.plan.samplings:
            sample = buffers.samples[s.key]
            n = self._number(sample.count)
            if n:
                values = {f: self._sampled(s, self._fetch(v)[:, :n]) for f, v in sample.values.items()}
                self.recordings.add_samples(s.key, self._fetch(sample.step)[0, :n].copy(), values)

    def _record_spikes(self, b: SpikeBuffer) -> None:
        counts = self._fetch(b.count)
        if not counts.any():
            return
        columns = [self._fetch(x[:, : counts.max()]) for x in (b.step, b.source, b.multiplicity)]
        there = np.arange(counts.max()) < counts[:, None]
        step, source, times = (x[there] for x in columns)
        source = self._numbers[np.nonzero(there)[0], source]
        order = np.lexsort((source, step))
        self.recordings.add_spikes((step[order], source[order], times[order]))

    def _sampled(self, s: Sampling, values: np.ndarray) -> np.ndarray:
        """What the parts (parts, rows, …, n) sampled, in the order of the recorded nodes: (rows, …, n)."""
        owner = self._placement.nodes[s.group][s.index] // self.plan.group(s.group).n
        column = np.zeros(len(owner), np.int64)
        for k in np.unique(owner):
            column[owner == k] = np.arange(int((owner == k).sum()))
        return np.moveaxis(np.moveaxis(values, -1, 1)[owner, column], 0, -1)

    # --- values ---------------------------------------------------------------------------------------------------

    def _seen(self, tree: Any, owner: str) -> Any:
        nodes, tables = _values(tree)
        if owner in self.program.populations:
            keys = [self.program.place(owner)[0]]
        else:
            keys = [key for key, _, _ in self.program.connection_parts(owner)]
        seen = [{key: self._whole(of[key], key) for key in keys if key in of} for of in (nodes, tables)]
        return _with_values(tree, *seen)

    def _whole(self, values: Values, key: str) -> Values:
        """The values of a group, a table or a device as on one device."""
        at = At(self._places(key))
        fetched = {k: self._fetch(v) for k, v in values.items()}
        return Values({k: jnp.asarray(v if at.places is None or v.shape[-1] == 1 else at.whole(v)) for k, v in fetched.items()})

    def _places(self, key: str) -> np.ndarray | None:
        """The places of the neurons of a group, or of the connections of a table or a drive; None for devices."""
        if key in self._placement.nodes:
            return self._placement.nodes[key]
        if key not in self.connections:
            return None
        if key not in self._orders:
            self._orders[key] = self._order(key)
        return self._orders[key]

    def _order(self, key: str) -> np.ndarray:
        """The places of the connections of a table or a drive, in the order of one device."""
        connections = jax.tree.map(self._fetch, self.connections[key])
        if isinstance(connections, Table):
            return connections_in_order(self.plan, connections, self._placement.columns)
        ident = connections.ident.ravel()
        there = np.flatnonzero(ident >= 0)
        return there[np.argsort(ident[there], kind="stable")]

    def _written(self, tree: Any, seen: Any, new: Any) -> Any:
        parts = []
        for old, before, after in zip(_values(tree), _values(seen), _values(new), strict=True):
            changed = {
                key: {k: self._parted(key, old[key][k], v) for k, v in values.items() if v is not before[key][k]}
                for key, values in after.items()
            }
            parts.append({key: old[key].replace(**values) for key, values in changed.items() if values})
        nodes, tables = _values(tree)
        return _with_values(tree, {**nodes, **parts[0]}, {**tables, **parts[1]})

    def _parted(self, key: str, old: Any, value: Any) -> Any:
        """A new `value` of the whole network as the parts hold it."""
        places, value = self._places(key), np.asarray(value)
        if places is None or value.shape[-1] == 1:
            return self._everywhere(value)
        before = self._fetch(old)
        if before.shape[-1] == 1:  # had one value for all
            before = np.broadcast_to(before, (self.mesh.size, *before.shape[:-1], self._length(key)))
        return self._placed(At(places).parted(value, before), PartitionSpec(self._axis))

    def _length(self, key: str) -> int:
        """Of a part's arrays."""
        return next(x.n for x in (*self.plan.groups, *self.plan.tables, *self.plan.drives) if x.key == key)  # type: ignore[attr-defined]

    # --- the whole state ------------------------------------------------------------------------------------------

    def whole_state(self) -> State:
        settled = self._over_devices(partial(_settled, self.plan), "pp", self.params, self.connections, self.state)
        return jax.tree.map(lambda at, x: at.whole(self._fetch(x)), self._state_places(), settled)

    def take_state(self, state: State) -> None:
        def lay(at: At, old: Any, value: Any) -> jax.Array:
            return self._placed(at.parted(np.asarray(value), self._fetch(old)), PartitionSpec(self._axis))

        self.state = jax.tree.map(lay, self._state_places(), self.state, state)

    def _state_places(self) -> State:
        return places_of_state(
            self.plan, self._placement, self.state, {key: self._places(key) for key in self.connections if key != HERE}
        )

    def whole_params(self) -> Any:
        whole = [{key: self._whole(values, key) for key, values in of.items()} for of in _values(self.params)]
        return jax.tree.map(np.asarray, _with_values(self.params, *whole))

    def take_params(self, params: Any) -> None:
        self.params = self._written(self.params, self.params, params)

    def _report_fault(self, state: State, fault: int) -> None:
        nodes = {g.key: self._whole(state.nodes[g.key], g.key) for g in self._placement.groups}
        super()._report_fault(replace(state, nodes=nodes), fault)


def _values(tree: Any) -> tuple[Mapping[str, Values], Mapping[str, Values]]:
    """What parameters or a state hold of nodes, and of connections."""
    if isinstance(tree, State):
        return tree.nodes, {key: t.synapse for key, t in tree.tables.items()}
    return tree["nodes"], tree["tables"]


def _with_values(tree: Any, nodes: Mapping[str, Values], tables: Mapping[str, Values]) -> Any:
    """Parameters or a state with these `_values` alone."""
    if isinstance(tree, State):
        return replace(tree, nodes=nodes, tables={key: tree.tables[key]._replace(synapse=v) for key, v in tables.items()})
    return {**tree, "nodes": nodes, "tables": tables}


def _settled(plan: Plan, params: Any, connections: Any, state: State) -> State:
    """The state after all synapses have used the spikes of their targets, so that all parts have used the same."""
    return make_room(plan, bind(plan, params, connections), state, state.step - state.step % plan.slice_steps)


def _on_part(function: Callable[..., Any], specs: Sequence[Any], *operands: Any) -> Any:
    """`function` of this device's part of each operand: what is parted has a first axis, of length 1 here."""

    def mine(spec: PartitionSpec, tree: Any) -> Any:
        return tree if spec == PartitionSpec() else jax.tree.map(lambda x: x[0], tree)

    given = [jax.tree.map(mine, spec, operand) for spec, operand in zip(specs, operands, strict=True)]
    return jax.tree.map(lambda x: x[None], function(*given))
