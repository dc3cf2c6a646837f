"""`Program` over the devices of a mesh: neurons along one axis, trials along another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh

from jaxnest._declare import Declared
from jaxnest.distributed._copies import Copies
from jaxnest.distributed._cut import Cut
from jaxnest.distributed._mesh import axes_of, mesh_of
from jaxnest.errors import ConfigurationError
from jaxnest.events import random
from jaxnest.events.surrogate import spike_function
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import State
from jaxnest.simulation._program import Record, steps_of

_BATCH = "trials of a batch"


class Program:
    """What `jaxnest.Program` is, over the devices of a `mesh`: pure functions of parameters, connections and state, to be used under `jax.jit`, `jax.grad`,
    `jax.vmap`, and by `jaxnest.learning.fit`.

    Along the mesh's axis for neurons (any name but "trials") the network is cut into parts as `Simulation` cuts it: parameters, and so gradients,
    of neurons and connections lie where these are, in arrays (parts, …, n), and are read and written by name, as on one device, by `get` and `set`.
    Without such an axis each device has the whole network. Along the axis "trials" `Program.vmap` spreads a batch.

    Spikes, states and what is recorded are those of ``jaxnest.Program(delivery="events")`` (up to the last bit, where XLA rounds otherwise), gradients up to the
    rounding of sums. What is recorded is put together whole on each device, as are the values that `get` returns.

    **Arguments:** `network`; `mesh` (default: all devices for neurons); `surrogate`, `dampening` and further options as of `jaxnest.Program`.

    **Raises:** `ConfigurationError` for a mesh with other axes, and where the network is cut for what `Simulation` refuses.
    """

    def __init__(
        self,
        network: Network,
        *,
        mesh: Mesh | None = None,
        surrogate: str | Callable[[Any], Any] = "fast_sigmoid",
        dampening: float = 1.0,
        **options: Any,
    ) -> None:
        mesh = mesh_of() if mesh is None else mesh
        self.mesh = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * mesh.devices.ndim)
        neurons, self._trials = axes_of(self.mesh)
        if neurons is None:
            self._lies: Copies | Cut = Copies(network, self.mesh, {"surrogate": surrogate, "dampening": dampening, **options})
        else:
            self._lies = Cut(network, self.mesh, neurons, spike_function(surrogate, dampening), options)
        self.params, self.connections = self._lies.params, self._lies.connections
        self.h = network.h
        self._init = jax.jit(self._lies.init)
        self._simulate = jax.jit(self._lies.simulate, static_argnames=("n_steps", "checkpoint"))

    def init(self, params: Mapping[str, Any] | None = None, seed: Any = 0) -> State:
        """The state at time 0: see `jaxnest.Program.init`."""
        key = random.key_from_seed(int(seed)) if isinstance(seed, (int, np.integer)) else jnp.asarray(seed, jnp.uint32)
        return self._init(self.params if params is None else params, key)

    def simulate(
        self, params: Mapping[str, Any], connections: Mapping[str, Any], state: State, time: float, *, checkpoint: bool = False
    ) -> tuple[State, Record]:
        """Advance `state` by `time` (ms, static) and record what the network's recorders ask for, whole and in the order of the recorded nodes:
        see `jaxnest.Program.simulate`."""
        return self._simulate(params, connections, state, n_steps=steps_of(time, self.h), checkpoint=checkpoint)

    def vmap(self, function: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
        """`jax.vmap`, with what is mapped over (trials, the examples of a batch) spread over the mesh's axis "trials", if it has that.

        **Raises:** (the function returned) `ConfigurationError` if they are no multiple of the devices along the axis.
        """
        if self._trials is None:
            return jax.vmap(function, in_axes, out_axes)
        devices = self.mesh.shape[self._trials]

        def one(*args: Any) -> Any:
            size = lax.axis_size(_BATCH)
            if size % devices:
                raise ConfigurationError(f"a batch of {size} cannot be spread evenly over {devices} devices")
            return function(*args)

        return jax.vmap(one, in_axes, out_axes, axis_name=_BATCH, spmd_axis_name=self._trials)

    # --- names ----------------------------------------------------------------------------------------------------

    def get(self, tree: Mapping[str, Any] | State, path: str) -> Any:
        """The values that `path` names, of the whole network, on every device: see `jaxnest.Program.get`."""
        names = self._lies.names
        return self._lies.everywhere(names.get(self._lies.seen(tree, names.split(path)[0]), path))

    def set(self, tree: Any, changes: Mapping[str, Any]) -> Any:
        """A copy of the parameters (or of a state) with the values at some paths exchanged: see `jaxnest.Program.set`."""
        names = self._lies.names
        for path, value in changes.items():
            seen = self._lies.seen(tree, names.split(path)[0])
            tree = self._lies.written(tree, seen, names.set(seen, {path: value}))
        return tree

    def model_of(self, owner: str) -> type[Declared]:
        """The model of a population or of the synapses of a projection: see `jaxnest.Program.model_of`."""
        return self._lies.names.model_of(owner)

    def connections_of(self, projection: str) -> Mapping[str, np.ndarray]:
        """The connections of a projection in the order in which `get` speaks of them: see `jaxnest.Program.connections_of`."""
        return self._lies.names.connections_of(projection)
