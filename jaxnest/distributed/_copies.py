"""A network of which each device of a mesh has a copy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec

from jaxnest.distributed._mesh import on_devices, placed
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import State
from jaxnest.simulation._program import Program, Record

_WHOLE = PartitionSpec()


class Copies:
    """What `distributed.Program` asks of the way a network lies on a mesh."""

    def __init__(self, network: Network, mesh: Mesh, options: Mapping[str, Any]) -> None:
        self.mesh = mesh
        self.names = Program(network, **options)
        self.params, self.connections = jax.tree.map(partial(placed, mesh), (self.names.params, self.names.connections))
        self.names.params, self.names.connections = self.params, self.connections  # the first device has them once

    def init(self, params: Any, key: Any) -> State:
        return on_devices(self.mesh, self.names.init, (_WHOLE, _WHOLE), _WHOLE)(params, key)

    def simulate(self, params: Any, connections: Any, state: State, *, n_steps: int, checkpoint: bool) -> tuple[State, Record]:
        run = partial(self.names.simulate, time=n_steps * self.names.h, checkpoint=checkpoint)
        return on_devices(self.mesh, run, (_WHOLE, _WHOLE, _WHOLE), _WHOLE)(params, connections, state)

    def seen(self, tree: Any, owner: str) -> Any:
        """A tree in which `owner` has its values as on one device."""
        return tree

    def written(self, tree: Any, seen: Any, new: Any) -> Any:
        """`tree` with what of `new` is not as in `seen`."""
        return new

    def everywhere(self, value: Any) -> Any:
        return value
