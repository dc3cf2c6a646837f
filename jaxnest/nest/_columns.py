"""Columns of the ledger as the core takes them: of nodes, and of connections."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxnest._declare import resolve
from jaxnest.nest._clock import Clock
from jaxnest.nest._ledger import Block

#: properties of more nodes, weights of more connections, than this are one number where they are equal
PLAIN_FROM = 1 << 17


def by_sizes(block: Block, places: np.ndarray) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """Nodes of a block by the lengths of those lists of which all nodes of a population have equally many values."""
    keys = [k for k, p in block.model.core.parameters.items() if p.dim is not None]
    if not len(places):
        return []
    if not any(k in block.each for k in keys):
        return [(tuple(len(block.shared[k]) for k in keys), places)]
    found: dict[tuple[int, ...], list[int]] = {}
    for place in places.tolist():
        found.setdefault(tuple(len(block.value(k, place)) for k in keys), []).append(place)
    return [(key, np.array(chosen)) for key, chosen in found.items()]


def params_of(core: type[Any], parts: list[tuple[Block, np.ndarray]], clock: Clock) -> dict[str, Any]:
    """The parameters, initial states and options of the nodes of `parts`, as the core takes them."""
    options = getattr(core, "options", ())
    params: dict[str, Any] = {}
    own = [k for k in core.parameters if k not in core.of_kernel]
    for key in (*own, *(k for k in core.states if k in parts[0][0].shared), *options):
        if key == "allow_offgrid_times":
            continue  # the ledger's times are on the grid
        if np.ndim(parts[0][0].value(key, int(parts[0][1][0]))):
            value = _lists(key, core, parts, clock)
        else:
            value = _numbers(core, key, parts)
        if value is not None:
            params[key] = value
    return params


def _numbers(core: type[Any], key: str, parts: list[tuple[Block, np.ndarray]]) -> Any:
    declared = core.parameters.get(key)
    if declared is not None and declared.choices:
        return declared.chosen(np.array([v for block, places in parts for v in block.column(key, places)]))
    columns = [block.array(key, places) for block, places in parts]
    values = columns[0] if len(columns) == 1 else np.concatenate(columns)
    if key == "stop":
        values = np.where(values > 1e300, np.inf, values)
    if key == "f_target":
        values = values * 1000.0
    if key == "V_min":
        values = np.where(values < -1e300, -np.inf, values)
    return float(values[0]) if len(values) >= PLAIN_FROM and (values == values[0]).all() else values


def _lists(key: str, core: type[Any], parts: list[tuple[Block, np.ndarray]], clock: Clock) -> Any:
    rows = [np.asarray(v, float) for block, places in parts for v in block.column(key, places)]
    if key == "spike_times":  # those between the points of the grid act at the ends of their steps
        precise = [v for block, places in parts for v in block.column("precise_times", places)]
        rows = [clock.ms(clock.end_of_step(v)) if p else v for v, p in zip(rows, precise, strict=True)]
    if key in core.parameters:
        return np.array(rows) if len(rows[0]) else None
    return rows if len(rows) > 1 else rows[0]


def node_params(block: Block, places: np.ndarray, clock: Clock) -> dict[str, np.ndarray]:
    """The parameters of nodes as the core's functions take them: (n,), or (k, n) of lists."""
    core = block.model.core
    given = params_of(core, [(block, places)], clock)
    given = {k: v for k, v in given.items() if k in core.parameters}
    values, _ = resolve(core, block.model.name, len(places), given, np.random.default_rng(0))
    return {k: np.atleast_1d(v) for k, v in values.items()}


def joined(columns: list[tuple[Any, np.ndarray]]) -> Any:
    """Values of connections, of parts each a value or an array and the places in it: one for all if it is one everywhere."""
    if all(np.ndim(v) == 0 for v, _ in columns) and len({float(v) for v, _ in columns}) == 1:
        return columns[0][0]
    return np.concatenate([np.full(len(p), v) if np.ndim(v) == 0 else np.asarray(v)[p] for v, p in columns])
