"""The state of a run over many devices as one device has it, and back: so a run may go on with any number of devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import numpy as np

from jaxnest.distributed._placement import Placement
from jaxnest.simulation._plan import Plan, State


@dataclass(frozen=True)
class At:
    """Where the values of a leaf lie among those of the parts: along `axis` of a part's array at the `places`; None: all parts have the same."""

    places: np.ndarray | None
    axis: int = -1

    def whole(self, array: np.ndarray) -> np.ndarray:
        """Of (parts, …) the values of the network."""
        if self.places is None:
            return array[0]
        ahead = np.moveaxis(array, self._axis(array), 1)
        return np.moveaxis(ahead.reshape(-1, *ahead.shape[2:])[self.places], 0, self._axis(array) - 1)

    def parted(self, values: np.ndarray, old: np.ndarray) -> np.ndarray:
        """(parts, …): the values of the network in their places; what fills parts up is as in `old`."""
        if self.places is None:
            return np.broadcast_to(values, old.shape)
        ahead = np.moveaxis(old, self._axis(old), 1)
        flat = ahead.reshape(-1, *ahead.shape[2:]).copy()
        flat[self.places] = np.moveaxis(values, self._axis(old) - 1, 0)
        return np.moveaxis(flat.reshape(ahead.shape), 1, self._axis(old))

    def _axis(self, array: np.ndarray) -> int:
        return self.axis % array.ndim if self.axis < 0 else self.axis + 1


def places_of_state(plan: Plan, placement: Placement, state: State, of: Callable[[str], np.ndarray]) -> State:
    """A state of which each leaf is an `At`; `of(key)` are the places of the connections of a table or a drive."""
    same = At(None)
    nodes = {key: jax.tree.map(lambda _, p=places: At(p), state.nodes[key]) for key, places in placement.nodes.items()}
    for d in plan.drives:
        own = d.model.per_target and d.n_states == d.n
        at = At(of(d.key)) if own else same
        nodes[d.key] = jax.tree.map(lambda _, at=at: at, state.nodes[d.key])
    tables = {}
    for key, t in state.tables.items():
        at = At(of(key))
        tables[key] = jax.tree.map(lambda _: same, t)._replace(synapse=jax.tree.map(lambda _, at=at: at, t.synapse))
    history = {key: jax.tree.map(lambda _, p=placement.nodes[key]: At(p, 0), log) for key, log in state.history.items()}
    return replace(
        jax.tree.map(lambda _: same, state),
        ring=At(placement.columns),
        pending=At(placement.sources),
        nodes=nodes,
        tables=tables,
        history=history,
    )
