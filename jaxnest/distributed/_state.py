"""The state of a run over many devices as one device has it, and back: so a run may go on with any number of devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import jax
import numpy as np

from jaxnest.distributed._placement import At, Placement
from jaxnest.simulation._plan import Plan, State


def places_of_state(plan: Plan, placement: Placement, state: State, of: Mapping[str, np.ndarray | None]) -> State:
    """A state of which each leaf is an `At`; `of` are the places of the connections of tables and drives."""
    same = At(None)
    nodes = {key: jax.tree.map(lambda _, p=places: At(p), state.nodes[key]) for key, places in placement.nodes.items()}
    for d in plan.drives:
        own = d.model.per_target and d.n_states == d.n
        at = At(of[d.key]) if own else same
        nodes[d.key] = jax.tree.map(lambda _, at=at: at, state.nodes[d.key])
    tables = {}
    for key, t in state.tables.items():
        at = At(of[key])
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
