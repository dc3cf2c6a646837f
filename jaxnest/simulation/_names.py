"""The way from a user's names to the arrays of a compiled network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxnest._declare import Declared, nearest
from jaxnest._values import Values
from jaxnest.errors import ConfigurationError
from jaxnest.simulation._layout import Held, Index, Layouts
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import Plan, State
from jaxnest.simulation._relative import kept, whole
from jaxnest.simulation._tables import places_of


class Names:
    """Reads and writes parameters, weights and states by name, in trees of arrays laid out as `plan` says."""

    def __init__(self, network: Network, plan: Plan, layouts: Layouts, index: Index, connections: Mapping[str, Any]) -> None:
        self.h = network.h
        self.plan = plan
        self.connections = connections
        self._network = network
        self._layouts = layouts
        self._index = index
        self.populations = {p.name: p for p in network.populations}
        self._places: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

    def get(self, tree: Mapping[str, Any] | State, path: str) -> Any:
        """The values that `path` names in the parameters (or, for weights that change, in a state).

        A path is ``"population.parameter"``, ``"generator.parameter"``, or ``"projection.weight"`` or another
        parameter of a projection. **Returns:** (n,) one value a node, or one a connection in the order of
        `connections_of`; (n_values, n) for vector parameters.

        **Raises:** `ConfigurationError` for an unknown path.
        """
        owner, name = self.split(path)
        if owner in self.populations:
            group, start, n = self.place(owner)
            values = tree.nodes[group] if isinstance(tree, State) else tree["nodes"][group]
            _lookup(values, owner, name)
            value = whole(values, name)
            return value[..., start : start + n] if value.shape[-1] != 1 else jnp.broadcast_to(value, (*value.shape[:-1], n))
        parts = []
        for key, index, n in self.connection_parts(owner):
            values = tree.tables[key].synapse if isinstance(tree, State) else tree["tables"][key]
            value = _lookup(values, owner, name)
            parts.append(jnp.broadcast_to(value, (n,)) if value.shape[0] == 1 else value[index])
        if not parts:
            return jnp.zeros(0)
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts)

    def set(self, tree: Any, changes: Mapping[str, Any]) -> Any:
        """A copy of the parameters (or of a state) with the values at some paths exchanged; pure, differentiable.

        A value is a number or an array as `get` returns it. Where one number has served all nodes of several
        populations, setting one population's makes room for one a node (and compiles anew, once).

        **Raises:** `ConfigurationError` for an unknown path or a wrong shape.
        """
        for path, value in changes.items():
            owner, name = self.split(path)
            if isinstance(tree, State):
                tree = self._set_in_state(tree, owner, name, value)
            elif owner in self.populations:
                group, start, n = self.place(owner)
                old = _lookup(tree["nodes"][group], owner, name)
                new = _put(path, old, slice(start, start + n), n, self._group_size(group), value)
                tree = {**tree, "nodes": {**tree["nodes"], group: tree["nodes"][group].replace(**{name: new})}}
            else:
                done = 0
                tables = dict(tree["tables"])
                parts = self.connection_parts(owner)
                total = sum(n for _, _, n in parts)
                for key, index, n in parts:
                    old = _lookup(tables[key], owner, name)
                    size = self._table_size(key)
                    part = _part(path, value, done, n, total)
                    tables[key] = tables[key].replace(**{name: _put(path, old, index, n, size, part)})
                    done += n
                tree = {**tree, "tables": tables}
        return tree

    def model_of(self, owner: str) -> type[Declared]:
        """The model of a population or of the synapses of a projection, as paths name them.

        **Raises:** `ConfigurationError` for an unknown name.
        """
        return self._network[owner].model

    def connections_of(self, projection: str) -> Mapping[str, np.ndarray]:
        """`pre`, `post` (positions in the projection's selections) and `delay` (ms) of its connections, in the order
        in which the program holds them: by the model of the target, by source (in long rows with many delays then by delay), by target, then as they were drawn. Those of
        generators are in the order in which they were drawn, couplings by target."""
        proj = next((p for p in self._network.projections if p.name == projection), None)
        if proj is None:
            raise ConfigurationError(
                f"no projection {projection!r}; {nearest(projection, [p.name for p in self._network.projections])}"
            )
        order = self.order_of(projection)
        pre, post = proj.drawing.pairs()
        delay = np.broadcast_to(proj.delay, (len(proj),))[order] * self.h
        return {"pre": pre[order], "post": post[order], "delay": delay}

    def order_of(self, projection: str) -> np.ndarray:
        """Which of the connections of a projection, as they were drawn, `get` and `set` speak of: (n,) int32."""
        if projection in self._layouts.lists:
            parts = [np.asarray(self.connections[key].ident) for key in self._layouts.lists[projection]]
        else:
            parts = [self._found(projection, held)[1] for held in self._layouts.tables[projection]]
        return np.concatenate([np.empty(0, np.int32), *parts])

    def _set_in_state(self, state: State, owner: str, name: str, value: Any) -> State:
        if owner in self.populations:
            group, start, n = self.place(owner)
            values = state.nodes[group]
            _lookup(values, owner, name)
            new = _put(f"{owner}.{name}", whole(values, name), slice(start, start + n), n, None, value)
            new = kept(values, name, new)
            return replace(state, nodes={**state.nodes, group: values.replace(**{name: new})})
        tables = dict(state.tables)
        done, parts = 0, self.connection_parts(owner)
        total = sum(n for _, _, n in parts)
        for key, index, n in parts:
            if key not in tables:
                raise ConfigurationError(f"{owner}.{name} is a parameter, not a state: set it in the parameters")
            synapse = tables[key].synapse
            names = [k for k in (name, "w") if k in synapse] if name == "weight" else [name]
            for each in names:
                part = _part(f"{owner}.{name}", value, done, n, total)
                old = _lookup(synapse, owner, each)
                synapse = synapse.replace(**{each: _put(f"{owner}.{name}", old, index, n, None, part)})
            tables[key] = tables[key]._replace(synapse=synapse)
            done += n
        return replace(state, tables=tables)

    def split(self, path: str) -> tuple[str, str]:
        owner, dot, name = path.rpartition(".")
        known = [*self.populations, *self._layouts.tables, *self._layouts.lists]
        if not dot or owner not in known:
            raise ConfigurationError(f"path {path!r}: no population or projection {owner!r}; {nearest(owner, known)}")
        return owner, name.rstrip("_")

    def place(self, population: str) -> tuple[str, int, int]:
        for g in self.plan.groups:
            for m in g.members:
                if m.population == population:
                    return g.key, m.start, m.n
        return population, 0, self.populations[population].n

    def _group_size(self, key: str) -> int:
        return next((g.n for g in self.plan.groups if g.key == key), None) or self.populations[key].n

    def _table_size(self, key: str) -> int:
        plan = self.plan
        sizes = {t.key: t.n for t in plan.tables} | {d.key: d.n for d in plan.drives} | {c.key: c.n for c in plan.couplings}
        return sizes[key]

    def connection_parts(self, projection: str) -> list[tuple[str, Any, int]]:
        """For each table that holds connections of the projection: its key, their places in it, and their number."""
        if projection in self._layouts.lists:
            return [(key, slice(None), self._table_size(key)) for key in self._layouts.lists[projection]]
        parts: list[tuple[str, Any, int]] = []
        for held in self._layouts.tables[projection]:
            if held.whole:
                parts.append((held.table, slice(None), self._table_size(held.table)))
            else:
                places, _ = self._found(projection, held)
                parts.append((held.table, places, len(places)))
        return parts

    def _found(self, projection: str, held: Held) -> tuple[np.ndarray, np.ndarray]:
        """The places of a projection's connections in a table, and which they are (as drawn); kept once it was found."""
        key = projection, held.group
        if key not in self._places:
            layout = next(t.layout for t in self.plan.tables if t.key == held.table)
            self._places[key] = places_of(self._network, self._index, self._layouts.tables, projection, held, layout)
        return self._places[key]


def _lookup(values: Values, owner: str, name: str) -> Any:
    if name not in values:
        raise ConfigurationError(f"{owner} has no value {name!r}; {nearest(name, list(values))}")
    return values[name]


def _part(path: str, value: Any, start: int, n: int, total: int) -> Any:
    shape = jnp.shape(value)
    if shape in ((), (1,)):
        return value
    if shape != (total,):
        raise ConfigurationError(f"{path}: shape {shape} does not fit {total} connections; give a number or ({total},)")
    return value[start : start + n]


def _put(path: str, old: Any, where: Any, n: int, size: int | None, value: Any) -> Any:
    """`old` with the values at `where` (n of the last axis) exchanged."""
    value = jnp.asarray(value, old.dtype)
    lead = old.shape[:-1]
    if value.shape == (n, *lead) and lead:
        value = value.T
    if value.ndim == len(lead):
        value = value[..., None]
    if value.ndim != old.ndim or value.shape[:-1] != lead or value.shape[-1] not in (1, n):
        raise ConfigurationError(f"{path}: shape {value.shape} does not fit; give a number or shape ({n},)")
    if old.shape[-1] == 1 and (size is None or n == size) and value.shape[-1] == 1:
        return value
    if old.shape[-1] == 1 and size is not None:
        old = jnp.broadcast_to(old, (*lead, size))
    return old.at[..., where].set(value)
