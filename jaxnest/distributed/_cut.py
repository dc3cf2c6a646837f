"""A network that is cut into parts along an axis of a mesh, as one differentiable function of arrays over the mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxnest._values import Values
from jaxnest.distributed._mesh import on_devices
from jaxnest.distributed._parts import Parts, values_of, with_values
from jaxnest.distributed._placement import ranks
from jaxnest.errors import ConfigurationError
from jaxnest.events.exchange import gather_all, places_of
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import HERE, Plan, State
from jaxnest.simulation._program import Record, initial_state
from jaxnest.simulation._slices import Slices, by_recorder, ready, sampled
from jaxnest.simulation._step import emitted

_WHOLE = PartitionSpec()
#: the key, among the connections, of the sources of each part that spike_recorders listen to
_HEARD = ".heard"


class _Readers(NamedTuple):
    """What parts read of nodes at some places: in each part the nodes `local` (parts, n), filled up with 0; by `places` (n_all,) it is found again."""

    local: np.ndarray
    places: np.ndarray


class Cut:
    """What `distributed.Program` asks of the way a network lies on a mesh."""

    def __init__(self, network: Network, mesh: Mesh, axis: str, fire: Callable[[Any], Any], options: Mapping[str, Any]) -> None:
        parts = Parts(network, mesh, axis, options)
        self.mesh, self.fire = mesh, fire
        self.plan, self.names, self.params = parts.plan, parts.names, parts.params
        self._parts, self._over = parts, PartitionSpec(axis)
        self._heard = {
            r.recorder: _readers(parts.placement.sources[r.sources], parts.number, self.plan.n_sources)
            for r in self.plan.recordings
        }
        heard = {key: parts.parted(readers.local) for key, readers in self._heard.items()}
        self.connections = {**parts.connections, _HEARD: heard}
        self._read = {
            s.key: _readers(parts.placement.nodes[s.group][s.index], parts.number, self.plan.group(s.group).n).places
            for s in self.names.plan.samplings
        }

    def init(self, params: Any, key: Any) -> State:
        begin = partial(initial_state, self.plan)
        return on_devices(self.mesh, begin, (self._parts.specs(params), _WHOLE), self._over)(params, key)

    def simulate(self, params: Any, connections: Any, state: State, *, n_steps: int, checkpoint: bool) -> tuple[State, Record]:
        work = partial(_simulate_part, self.plan, self.fire, n_steps, checkpoint)
        specs = self._parts.specs(params), self._over, self._over
        first = state.step[0]
        state, (spikes, traces) = on_devices(self.mesh, work, specs, self._over)(params, connections, state)
        spikes = {key: whole(x, self._heard[key].places) for key, x in spikes.items()}
        traces = {key: jax.tree.map(lambda x, key=key: whole(x, self._read[key]), v) for key, v in traces.items()}
        times = (first + 1 + jnp.arange(n_steps)) * params["h"]
        return state, Record(times, spikes, by_recorder(self.plan, traces))

    def seen(self, tree: Any, owner: str) -> Any:
        """A tree in which `owner` has its values as on one device."""
        keys = self._parts.keys(owner)
        return with_values(tree, *({key: self._seen(key, of[key]) for key in keys if key in of} for of in values_of(tree)))

    def _seen(self, key: str, values: Values) -> Values:
        places = self._parts.places(key)
        return Values({k: x if places is None or x.shape[-1] == 1 else whole(x, places) for k, x in values.items()})

    def written(self, tree: Any, seen: Any, new: Any) -> Any:
        """`tree` with what of `new` is not as in `seen`."""
        found = []
        for old, before, after in zip(values_of(tree), values_of(seen), values_of(new), strict=True):
            changed = dict(old)
            for key, values in after.items():
                fresh = {k: self._laid(key, old[key][k], x) for k, x in values.items() if x is not before[key][k]}
                changed[key] = old[key].replace(**fresh)
            found.append(changed)
        return with_values(tree, *found)

    def _laid(self, key: str, old: Any, value: Any) -> Any:
        """A new `value` of the whole network as the parts hold it."""
        places = self._parts.places(key)
        if places is None or value.shape[-1] == 1:
            return self.everywhere(value)
        if old.shape[-1] == 1:  # had one value for all
            old = jnp.broadcast_to(old, (self._parts.number, *old.shape[:-1], self._parts.length(key)))
        return lax.with_sharding_constraint(laid(old, places, value), NamedSharding(self.mesh, self._over))

    def everywhere(self, value: Any) -> Any:
        return lax.with_sharding_constraint(value, NamedSharding(self.mesh, _WHOLE))


def whole(x: Any, places: np.ndarray) -> Any:
    """Of parts (parts, …, n) the values (…, n_all) at the `places` of the whole."""
    return _in_a_row(x).at[..., _kept(places)].get(mode="promise_in_bounds", unique_indices=True)


def laid(old: Any, places: np.ndarray, value: Any) -> Any:
    """Parts (parts, …, n) with the values (…, n_all) of the whole at their `places`; what fills parts up is as in `old`."""
    flat = _in_a_row(old).at[..., _kept(places)].set(value, mode="promise_in_bounds", unique_indices=True)
    return jnp.moveaxis(flat.reshape(*flat.shape[:-1], old.shape[0], old.shape[-1]), -2, 0)


def _in_a_row(x: Any) -> Any:
    """Parts (parts, …, n) one after another: (…, parts * n)."""
    ahead = jnp.moveaxis(x, 0, -2)
    return ahead.reshape(*ahead.shape[:-2], x.shape[0] * x.shape[-1])


def _kept(places: np.ndarray) -> Any:
    """The places behind a barrier: where values or derivatives are constants, XLA would move them one by one when it compiles.

    **Raises:** `ConfigurationError` for places beyond 2**31.
    """
    if places.max(initial=0) >= 2**31:
        raise ConfigurationError(
            f"{len(places)} values are too many to be named; use `Program.params` as they lie in the parts"
        )
    return lax.optimization_barrier(jnp.asarray(places, jnp.int32))


def _readers(places: np.ndarray, n_parts: int, length: int) -> _Readers:
    """The readers of nodes at the `places` of the parts, each `length` long."""
    owner = places // length
    rank = ranks(owner)
    local = np.zeros((n_parts, int(rank.max(initial=0)) + 1), np.int32)
    local[owner, rank] = places % length
    return _Readers(local, owner * local.shape[1] + rank)


def _simulate_part(
    plan: Plan, fire: Callable[[Any], Any], n_steps: int, checkpoint: bool, params: Any, connections: Any, state: State
) -> tuple[State, tuple[dict[str, Any], dict[str, Values]]]:
    """The new state of a part, and what of it is recorded: spikes (n_steps, n) and samples (n_samples, …, n)."""
    bound, state = ready(plan, params, connections, state)
    here = connections[HERE]
    places = places_of(here.number, plan.n_all, plan.axis)
    gather = partial(gather_all, places=places, axis=plan.axis)
    read = partial(_read, plan, connections[_HEARD], here.read)
    first = state.step
    state, record = Slices(plan, fire, bound, read, gather).run(state, n_steps, checkpoint)
    spikes, traces = record or ({}, {s.key: Values() for s in plan.samplings})
    return state, (spikes, sampled(plan, traces, first, n_steps))


def _read(
    plan: Plan, heard: Mapping[str, Any], read: Mapping[str, Any], state: State
) -> tuple[dict[str, Any], dict[str, Values]]:
    """What recorders want of a part after a step."""
    spiked = emitted(plan, state)
    return {key: spiked[sources] for key, sources in heard.items()}, plan.traces(state.nodes, read)
