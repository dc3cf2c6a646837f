"""A network that lies in parts over the devices of a mesh: what it is called in the whole, and where each value is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxnest._checkpoint import fetch
from jaxnest._values import Values
from jaxnest.distributed._mesh import placed
from jaxnest.distributed._parting import part_network, specs_of
from jaxnest.distributed._placement import connections_in_order
from jaxnest.events.deliver import Table
from jaxnest.simulation._drives import samplings
from jaxnest.simulation._layout import Index, Layouts, number_sources
from jaxnest.simulation._names import Names
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import State


class Parts:
    """The parts of `network` along an axis of `mesh`: `plan` of any of them, `params` and `connections` of all, `placement`; `names` are those of the
    whole network, as on one device."""

    def __init__(self, network: Network, mesh: Mesh, axis: str, options: Mapping[str, Any]) -> None:
        wanted = {"delivery": "events", "lowering": "auto", "solver": "adaptive", "substeps": 1, "reset": "detached"}
        parted = part_network(network, mesh, axis, {**wanted, **options})
        self.mesh, self.axis = mesh, axis
        self.number = mesh.shape[axis]
        self.plan, self.placement = parted.plan, parted.placement
        self.params, self.connections = parted.params, parted.connections
        self.names = self._names(network, parted.layouts)
        self._orders: dict[str, np.ndarray] = {}

    def _names(self, network: Network, layouts: Layouts) -> Names:
        plan, groups = self.plan, self.placement.groups
        index = Index(network, groups, number_sources(network, groups)[0])
        idents = {d.key: np.sort(fetch(self.connections[d.key].ident), axis=None) for d in plan.drives if d.source < 0}
        idents = {key: ident[ident >= 0] for key, ident in idents.items()}
        sizes = {t.key: int(fetch(self.connections[t.key].row_ptr[:, -1]).sum()) for t in plan.tables}
        whole = replace(
            plan,
            groups=groups,
            samplings=tuple(samplings(network, index)),
            tables=tuple(replace(t, n=sizes[t.key]) for t in plan.tables),
            drives=tuple(replace(d, n=len(idents[d.key])) if d.key in idents else d for d in plan.drives),
            axis="",
        )
        return Names(network, whole, layouts, index, {key: Values(ident=ident) for key, ident in idents.items()})

    def specs(self, params: Any) -> Any:
        """Which parameters are parted: see `specs_of`."""
        return specs_of(self.plan, params, self.axis)

    def everywhere(self, value: np.ndarray) -> jax.Array:
        return placed(self.mesh, value)

    def parted(self, value: np.ndarray) -> jax.Array:
        """An array (parts, …) over the mesh."""
        return placed(self.mesh, value, PartitionSpec(self.axis))

    def places(self, key: str) -> np.ndarray | None:
        """The places of the neurons of a group, or of the connections of a table or a drive; None for devices."""
        if key in self.placement.nodes:
            return self.placement.nodes[key]
        if key not in self.connections:
            return None
        if key not in self._orders:
            self._orders[key] = self._order(key)
        return self._orders[key]

    def _order(self, key: str) -> np.ndarray:
        """The places of the connections of a table or a drive, in the order of one device."""
        connections = jax.tree.map(fetch, self.connections[key])
        if isinstance(connections, Table):
            return connections_in_order(self.plan, connections, self.placement.columns)
        ident = connections.ident.ravel()
        there = np.flatnonzero(ident >= 0)
        return there[np.argsort(ident[there], kind="stable")]

    def length(self, key: str) -> int:
        """Of a part's arrays."""
        return next(x.n for x in (*self.plan.groups, *self.plan.tables, *self.plan.drives) if x.key == key)  # type: ignore[attr-defined]

    def keys(self, owner: str) -> list[str]:
        """The group, the device, or the tables and drives that have the values of a population or a projection."""
        if owner in self.names.populations:
            return [self.names.place(owner)[0]]
        return [key for key, _, _ in self.names.connection_parts(owner)]


def values_of(tree: Any) -> tuple[Mapping[str, Values], Mapping[str, Values]]:
    """What parameters or a state hold of nodes, and of connections."""
    if isinstance(tree, State):
        return tree.nodes, {key: t.synapse for key, t in tree.tables.items()}
    return tree["nodes"], tree["tables"]


def with_values(tree: Any, nodes: Mapping[str, Values], tables: Mapping[str, Values]) -> Any:
    """Parameters or a state with these `values_of` alone."""
    if isinstance(tree, State):
        return replace(tree, nodes=nodes, tables={key: tree.tables[key]._replace(synapse=v) for key, v in tables.items()})
    return {**tree, "nodes": nodes, "tables": tables}
