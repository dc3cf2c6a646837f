"""What can be said of a slice before it is run: what devices that are sources bring along tables that are matrices.

It does not depend on the state, so it is one product for all steps instead of one a step; and the derivative with respect to the spikes,
which inside the loop would be computed for all sources or none, is left out by XLA where nobody asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from jaxnest.events import matrix
from jaxnest.simulation._plan import Plan, SourceGroup

if TYPE_CHECKING:
    from jaxnest.simulation._step import Bound


def foreseen(plan: Plan, bound: Bound, first: Any, n: int) -> dict[str, Any]:
    """What devices that are sources bring along tables that are matrices, of the `n` slices from step `first` on: by table
    (n, 1 or 2, slice_steps, targets)."""
    found = {}
    at = first + jnp.arange(n * plan.slice_steps)
    for t in plan.tables:
        rows = bound.connections[t.key].row_ptr.shape[0] - 1
        begin = t.layout.first_source
        for s in plan.sources if t.layout.matrix and t.model is None and not t.counts_events else ():
            if s.weighted or not s.source <= begin <= begin + rows <= s.source + s.n:
                continue
            p, weight = bound.params["nodes"][s.key], bound.params["tables"][t.key].weight
            spikes = s.awake(s.model.in_steps(p, at, s.n))
            mine = spikes[:, begin - s.source : begin - s.source + rows]
            values = matrix.sums(t.layout, mine, weight, bound.connections[t.key], jnp.result_type(weight))
            values = values.reshape(values.shape[0], n, plan.slice_steps, -1)
            found[t.key] = jnp.moveaxis(values, 1, 0)
    return found


def all_known(plan: Plan, bound: Bound, s: SourceGroup, known: Mapping[str, Any]) -> bool:
    """Whether nobody but the `known` tables asks for the spikes of the source `s`."""
    for t in plan.tables:
        begin, rows = t.layout.first_source, (bound.connections[t.key].row_ptr.shape[0] - 1) // t.layout.segments
        if t.key not in known and begin < s.source + s.n and s.source < begin + rows:
            return False
    return not any(((s.source <= r.sources) & (r.sources < s.source + s.n)).any() for r in plan.recordings)
