"""A run, and its derivative: events travel back along the same rows, from slot to slot, as they came.

Backward a slice is what it is forward (`_forward.py`) in reverse: the derivatives in the ring are pulled along the rows of the
sources that spiked (`events/pull.py`), the steps of the slice are done again and transposed, and their inputs' derivatives
take the place of the rows that were read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import CustomVJPPrimal, SymbolicZero

from jaxnest.events.pull import Met, Sums, pull, pull_matrix
from jaxnest.learning.eventprop._forward import Kept, Operands, Recorded, TimedState, cuts, driven, forward, generated, steps
from jaxnest.learning.eventprop._neurons import amplitudes
from jaxnest.simulation._arrays import slice_if_consecutive
from jaxnest.simulation._plan import Plan


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def run(plan: Plan, n_steps: int, operands: Operands, state: TimedState) -> tuple[TimedState, Recorded]:
    """Advance `state` by `n_steps`."""
    return forward(plan, n_steps, operands, state, keep=False)[0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Residuals:
    """What the way back starts from. `generators`: whether anybody asks for derivatives with respect to generators' parameters."""

    operands: Operands
    begin: TimedState
    kept: list[Any]
    generators: bool = field(metadata={"static": True})


class _Back(NamedTuple):
    """What is carried back from slice to slice: derivatives with respect to what is in the ring, to the states at the
    begin of the slice, and, summed up, to everything else. Of trees with integers, only the numbers of type float, as a list."""

    ring: Any
    nodes: list[Any]
    part: Any
    to_parts: list[Any]
    to_inputs: list[Any]
    to_weights: Mapping[str, Any]
    to_drives: list[Any]
    sums: Mapping[str, Sums]


def _run_fwd(plan: Plan, n_steps: int, operands: Any, state: Any) -> Any:
    asked = [x.perturbed for x in jax.tree.leaves(operands.drives, is_leaf=_is_primal)]
    operands, state = (jax.tree.map(lambda x: x.value, tree, is_leaf=_is_primal) for tree in (operands, state))
    result, kept = forward(plan, n_steps, operands, state, keep=True)
    return result, _Residuals(operands, state, kept, any(asked))


def _run_bwd(plan: Plan, n_steps: int, residuals: _Residuals, cts: Any) -> Any:
    operands, begin = residuals.operands, residuals.begin
    ct_state, ct_record = jax.tree.map(_instantiated, cts, is_leaf=_is_zero)
    ct_record = Recorded({}, ct_record.fraction, ct_record.traces)
    back = _Back(
        ring=ct_state.ring,
        nodes=_floats(ct_state.nodes, begin.nodes),
        part=ct_state.part,
        to_parts=_zeros(operands.parts),
        to_inputs=_zeros(operands.sources),
        to_weights={d.key: jnp.zeros_like(operands.weight[d.key]) for d in plan.drives},
        to_drives=_zeros(operands.drives),
        sums={
            t.key: Sums.zeros(operands.weight[t.key], operands.late[t.key], ct_state.ring.dtype)
            for t in plan.tables
            if not t.layout.matrix
        },
    )
    done, met = n_steps, []
    for (length, count), kept in reversed(list(zip(cuts(plan, n_steps), residuals.kept, strict=True))):
        done -= length * count
        of_slices = jax.tree.map(partial(_by_slice, done, length, count), ct_record)
        starts = begin.step + done + length * jnp.arange(count, dtype=jnp.int32)

        def one(back: _Back, now: Any, length: int = length) -> tuple[_Back, Any]:
            return _slice_back(plan, length, residuals, back, *now)

        back, more = lax.scan(one, back, (starts, kept, of_slices), reverse=True)
        met.append(more)
    return _cotangents(plan, operands, begin, back._replace(sums={**back.sums, **_summed(plan, operands, met)}))


def _summed(plan: Plan, operands: Operands, met: list[Mapping[str, Met]]) -> dict[str, Sums]:
    """The sums of tables that are matrices."""
    out = {}
    for t in plan.tables:
        if t.layout.matrix:
            given = operands.weight[t.key], operands.late[t.key], t.layout, operands.connections[t.key]
            out[t.key] = jax.tree.map(lambda *x: sum(x), *(more[t.key].sums(*given) for more in met))
    return out


def _by_slice(done: int, length: int, count: int, x: Any) -> Any:
    return x[done : done + length * count].reshape(count, length, *x.shape[1:])


def _slice_back(plan: Plan, n: int, residuals: _Residuals, back: _Back, first: Any, kept: Kept, ct: Recorded) -> Any:
    """Across one slice, from its end to its begin: its events, its neurons, its generators. Also what matrices met."""
    operands = residuals.operands
    to_fraction, to_inputs, sums, met = _events_back(plan, operands, back, first, kept)
    for r in plan.recordings:
        to_fraction = to_fraction.at[:, slice_if_consecutive(r.sources)].add(ct.fraction[r.recorder])
    to_fraction = jnp.where(kept.spiked, to_fraction, 0.0)

    nodes, rebuild_nodes = _split(kept.nodes)
    parts, rebuild_parts = _split(operands.parts)
    groups = {g.key for g in plan.groups}

    def stepped(parts: Any, nodes: Any, part: Any, arrived: Any) -> Any:
        whole = rebuild_nodes(nodes)
        mine = {k: v for k, v in whole.items() if k in groups}
        (new, part), (_, fraction, traces) = steps(plan, rebuild_parts(parts), mine, part, arrived)
        return _split({**whole, **new})[0], part, fraction, traces

    _, steps_back = jax.vjp(stepped, parts, nodes, kept.part, kept.arrived)
    to_parts, to_nodes, to_part, to_arrived = steps_back((back.nodes, back.part, to_fraction, ct.traces))
    slots = (first + jnp.arange(n, dtype=jnp.int32)) % plan.slots
    back = back._replace(
        ring=back.ring.at[slots].set(to_arrived),
        nodes=to_nodes,
        part=to_part,
        to_parts=_added(back.to_parts, to_parts),
        to_inputs=_added(back.to_inputs, to_inputs),
        sums=sums,
    )
    return (_generators_back(plan, n, residuals, back, first, kept) if plan.drives else back), met


def _events_back(plan: Plan, operands: Operands, back: _Back, first: Any, kept: Kept) -> tuple[Any, list[Any], Any, Any]:
    """The derivatives with respect to the fractions at which neurons spiked and the numbers of type float of
    generators."""
    inputs, rebuild = _split(operands.sources)

    def rows(fraction: Any, inputs: Any) -> Any:
        return amplitudes(kept.spiked, fraction, rebuild(inputs), plan.sources, first, operands.parts.h)

    amplitude, rows_back, visited = jax.vjp(rows, kept.fraction, inputs, has_aux=True)
    to_amplitude, sums, met = jnp.zeros_like(amplitude), {}, {}
    for t in plan.tables:
        weight, late, table = operands.weight[t.key], operands.late[t.key], operands.connections[t.key]
        if t.layout.matrix:
            more, met[t.key] = pull_matrix(back.ring, amplitude, weight, late, first - 1, table, t.layout)
            to_amplitude = to_amplitude + more
            continue
        given = (back.ring, amplitude, visited, weight, late, first - 1, table, t.layout, back.sums[t.key])
        more, sums[t.key] = pull(*given, plan.native)
        to_amplitude = to_amplitude + more
    return *rows_back(to_amplitude), sums, met


def _generators_back(plan: Plan, n: int, residuals: _Residuals, back: _Back, first: Any, kept: Kept) -> _Back:
    """The derivatives with respect to generators' weights and, where asked for, parameters and states."""
    operands = residuals.operands
    weights = {d.key: operands.weight[d.key] for d in plan.drives}

    def add(weights: Any, outputs: Any) -> Any:
        return driven(plan, operands, weights, outputs, jnp.zeros_like(back.ring), first)

    _, add_back = jax.vjp(add, weights, kept.outputs)
    to_weights, to_outputs = add_back(back.ring)
    back = back._replace(to_weights=jax.tree.map(jnp.add, back.to_weights, to_weights))
    if not residuals.generators:
        return back
    nodes, rebuild_nodes = _split(kept.nodes)
    drives, rebuild_drives = _split(operands.drives)
    mine = {d.key for d in plan.drives}

    def sent(drives: Any, nodes: Any) -> Any:
        whole = rebuild_nodes(nodes)
        given = operands._replace(drives=rebuild_drives(drives))
        new, outputs = generated(plan, n, given, {k: v for k, v in whole.items() if k in mine}, residuals.begin.key, first)
        return _split({**whole, **new})[0], outputs

    _, generated_back = jax.vjp(sent, drives, nodes)
    to_drives, to_nodes = generated_back((back.nodes, to_outputs))
    return back._replace(nodes=to_nodes, to_drives=_added(back.to_drives, to_drives))


def _cotangents(plan: Plan, operands: Operands, begin: TimedState, back: _Back) -> tuple[Any, Any]:
    """What `_Back` holds, in the shapes of the run's operands and state."""
    weight, late = dict(back.to_weights), {}
    for t in plan.tables:
        weight[t.key], late[t.key] = back.sums[t.key].derivatives(operands.weight[t.key], operands.late[t.key])
    to_operands = Operands(
        parts=_rebuilt(operands.parts, back.to_parts),
        sources=_rebuilt(operands.sources, back.to_inputs),
        weight=weight,
        late=late,
        drives=_rebuilt(operands.drives, back.to_drives),
        connections=None,  # type: ignore[arg-type]
    )
    return to_operands, TimedState(None, None, back.ring, _rebuilt(begin.nodes, back.nodes), back.part)


def _is_primal(x: Any) -> bool:
    return isinstance(x, CustomVJPPrimal)


def _is_zero(x: Any) -> bool:
    return isinstance(x, SymbolicZero)


def _instantiated(x: Any) -> Any:
    return jnp.zeros(x.shape, x.dtype) if _is_zero(x) and jnp.issubdtype(x.dtype, jnp.floating) else x


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


def _split(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of type float, and the function that puts such leaves in their places."""
    leaves, structure = jax.tree.flatten(tree)

    def rebuild(floats: list[Any]) -> Any:
        given = iter(floats)
        return jax.tree.unflatten(structure, [next(given) if _is_float(x) else x for x in leaves])

    return [x for x in leaves if _is_float(x)], rebuild


def _floats(cts: Any, like: Any) -> list[Any]:
    """The leaves of `cts` where those of `like` are of type float."""
    leaves = jax.tree.leaves(cts, is_leaf=_is_zero)
    return [c for c, x in zip(leaves, jax.tree.leaves(like), strict=True) if _is_float(x)]


def _zeros(tree: Any) -> list[Any]:
    return [jnp.zeros_like(x) for x in jax.tree.leaves(tree) if _is_float(x)]


def _added(a: list[Any], b: list[Any]) -> list[Any]:
    return [x + y for x, y in zip(a, b, strict=True)]


def _rebuilt(tree: Any, floats: list[Any]) -> Any:
    """`tree` with its leaves of type float replaced, and no derivative for the others."""
    leaves, structure = jax.tree.flatten(tree)
    given = iter(floats)
    return jax.tree.unflatten(
        structure, [next(given) if _is_float(x) else np.zeros(x.shape, jax.dtypes.float0) for x in leaves]
    )


run.defvjp(_run_fwd, _run_bwd, symbolic_zeros=True)
