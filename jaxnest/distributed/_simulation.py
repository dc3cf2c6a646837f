"""`Simulation` over the devices of a mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, PartitionSpec

from jaxnest._cache import enable_compilation_cache
from jaxnest._checkpoint import fetch
from jaxnest._values import Values
from jaxnest.distributed._mesh import TRIALS, mesh_of, on_devices
from jaxnest.distributed._parts import Parts, values_of, with_values
from jaxnest.distributed._placement import At, ranks
from jaxnest.distributed._state import places_of_state
from jaxnest.errors import ConfigurationError
from jaxnest.events import random
from jaxnest.events.surrogate import spike_function
from jaxnest.simulation import _run
from jaxnest.simulation._advance import Buffers, SpikeBuffer, advance, rooms_of
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import HERE, Plan, Sampling, State
from jaxnest.simulation._plastic import make_room
from jaxnest.simulation._recordings import Recordings
from jaxnest.simulation._step import bind


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
        if len(self.mesh.axis_names) != 1 or self.mesh.axis_names[0] == TRIALS:
            raise ConfigurationError(
                f"mesh with the axes {self.mesh.axis_names}: a Simulation is one run; give a mesh with one axis, for neurons"
            )
        self._axis = self.mesh.axis_names[0]
        self._fire = spike_function(options.pop("surrogate", "fast_sigmoid"), options.pop("dampening", 1.0))
        self._parts = Parts(network, self.mesh, self._axis, options)
        self.plan, self._placement = self._parts.plan, self._parts.placement
        self.params, self.connections = self._parts.params, self._parts.connections
        self.program = self._parts.names  # type: ignore[assignment]
        self.recordings = Recordings(self.program)
        self._numbers = self._placement.numbers(self.mesh.size, self.plan.n_sources)
        self._programs: dict[str, Callable[..., Any]] = {}
        self._devices = {}
        self._rate = 0.0
        begin = partial(_run.begin, self.plan, rooms_of(self.plan))
        key = self._parts.everywhere(np.asarray(random.key_from_seed(seed)))
        self.state, self._buffers = self._over_devices(begin, "", self.params, key)
        self._advance = self._run_parts

    def _over_devices(
        self, function: Callable[..., Any], kinds: str, params: Any, *operands: Any, donate: tuple[int, ...] = ()
    ) -> Any:
        """`function` of a part's parameters and operands on each device. `kinds` has a letter for each operand: "p" where parts have their own,
        else all have the same. Compiled once for each set of parameters that have values of their own."""
        specs = self._parts.specs(params)
        name = f"{function.func.__name__} {specs}"  # type: ignore[attr-defined]
        if name not in self._programs:
            over, everywhere = PartitionSpec(self._axis), PartitionSpec()
            given = [over if kind == "p" else everywhere for kind in kinds.ljust(len(operands))]
            self._programs[name] = jax.jit(on_devices(self.mesh, function, (specs, *given), over), donate_argnums=donate)
        return self._programs[name](params, *operands)

    def _run_parts(self, params: Any, connections: Any, state: State, buffers: Buffers, n: Any) -> Any:
        """`advance` on all devices."""
        steps = self._parts.everywhere(np.asarray(n))
        work = partial(advance, self.plan, self._fire)
        return self._over_devices(work, "ppp ", params, connections, state, buffers, steps, donate=(2, 3))

    def _chunk(self) -> int:
        n = super()._chunk()
        return n if jax.process_count() == 1 else int(multihost_utils.broadcast_one_to_all(np.int32(n)))

    def agreed(self, flag: bool) -> bool:
        return flag if jax.process_count() == 1 else bool(multihost_utils.process_allgather(np.bool_(flag)).any())

    def _number(self, value: Any) -> int:
        return int(fetch(value).max())

    # --- recordings -----------------------------------------------------------------------------------------------

    def _record(self, buffers: Buffers) -> None:
        if buffers.spikes is not None:
            self._record_spikes(buffers.spikes)
        for s in self.program.plan.samplings:
            sample = buffers.samples[s.key]
            n = self._number(sample.count)
            if n:
                values = {f: self._sampled(s, fetch(v)[:, :n]) for f, v in sample.values.items()}
                self.recordings.add_samples(s.key, fetch(sample.step)[0, :n].copy(), values)

    def _record_spikes(self, b: SpikeBuffer) -> None:
        counts = fetch(b.count)
        if not counts.any():
            return
        columns = [fetch(x[:, : counts.max()]) for x in (b.step, b.source, b.multiplicity)]
        there = np.arange(counts.max()) < counts[:, None]
        step, source, times = (x[there] for x in columns)
        source = self._numbers[np.nonzero(there)[0], source]
        order = np.lexsort((source, step))
        self.recordings.add_spikes((step[order], source[order], times[order]))

    def _sampled(self, s: Sampling, values: np.ndarray) -> np.ndarray:
        """What the parts (parts, rows, …, n) sampled, in the order of the recorded nodes: (rows, …, n)."""
        owner = self._placement.nodes[s.group][s.index] // self.plan.group(s.group).n
        return np.moveaxis(np.moveaxis(values, -1, 1)[owner, ranks(owner)], 0, -1)

    # --- values ---------------------------------------------------------------------------------------------------

    def _seen(self, tree: Any, owner: str) -> Any:
        keys = self._parts.keys(owner)
        seen = [{key: self._whole(of[key], key) for key in keys if key in of} for of in values_of(tree)]
        return with_values(tree, *seen)

    def _whole(self, values: Values, key: str) -> Values:
        """The values of a group, a table or a device as on one device."""
        at = At(self._parts.places(key))
        fetched = {k: fetch(v) for k, v in values.items()}
        return Values({k: jnp.asarray(v if at.places is None or v.shape[-1] == 1 else at.whole(v)) for k, v in fetched.items()})

    def _written(self, tree: Any, seen: Any, new: Any) -> Any:
        parts = []
        for old, before, after in zip(values_of(tree), values_of(seen), values_of(new), strict=True):
            changed = {
                key: {k: self._parted(key, old[key][k], v) for k, v in values.items() if v is not before[key][k]}
                for key, values in after.items()
            }
            parts.append({key: old[key].replace(**values) for key, values in changed.items() if values})
        nodes, tables = values_of(tree)
        return with_values(tree, {**nodes, **parts[0]}, {**tables, **parts[1]})

    def _parted(self, key: str, old: Any, value: Any) -> Any:
        """A new `value` of the whole network as the parts hold it."""
        places, value = self._parts.places(key), np.asarray(value)
        if places is None or value.shape[-1] == 1:
            return self._parts.everywhere(value)
        before = fetch(old)
        if before.shape[-1] == 1:  # had one value for all
            before = np.broadcast_to(before, (self.mesh.size, *before.shape[:-1], self._parts.length(key)))
        return self._parts.parted(At(places).parted(value, before))

    # --- the whole state ------------------------------------------------------------------------------------------

    def whole_state(self) -> State:
        settled = self._over_devices(partial(_settled, self.plan), "pp", self.params, self.connections, self.state)
        return jax.tree.map(lambda at, x: at.whole(fetch(x)), self._state_places(), settled)

    def take_state(self, state: State) -> None:
        def lay(at: At, old: Any, value: Any) -> jax.Array:
            return self._parts.parted(at.parted(np.asarray(value), fetch(old)))

        self.state = jax.tree.map(lay, self._state_places(), self.state, state)

    def _state_places(self) -> State:
        return places_of_state(
            self.plan, self._placement, self.state, {key: self._parts.places(key) for key in self.connections if key != HERE}
        )

    def whole_params(self) -> Any:
        whole = [{key: self._whole(values, key) for key, values in of.items()} for of in values_of(self.params)]
        return jax.tree.map(np.asarray, with_values(self.params, *whole))

    def take_params(self, params: Any) -> None:
        self.params = self._written(self.params, self.params, params)

    def _report_fault(self, state: State, fault: int) -> None:
        nodes = {g.key: self._whole(state.nodes[g.key], g.key) for g in self._placement.groups}
        super()._report_fault(replace(state, nodes=nodes), fault)


def _settled(plan: Plan, params: Any, connections: Any, state: State) -> State:
    """The state after all synapses have used the spikes of their targets, so that all parts have used the same."""
    return make_room(plan, bind(plan, params, connections), state, state.step - state.step % plan.slice_steps)
