"""Where the nodes, sources, input columns and connections of a whole network lie in the arrays of its parts.

A place is part * length + place in the part. Gathered by these places, arrays of parts (parts, …, length) are those of the whole network, in the
order in which a network on one device has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest.simulation._layout import group_populations
from jaxnest.simulation._network import Network
from jaxnest.simulation._part import Part
from jaxnest.simulation._plan import Group, Plan


@dataclass(frozen=True)
class Placement:
    """`groups` of the whole network; by their keys the places of their neurons, `nodes`; `sources` (n_all,) and `columns` of the ring buffer."""

    groups: tuple[Group, ...]
    nodes: Mapping[str, np.ndarray]
    sources: np.ndarray
    columns: np.ndarray


def placement_of(net: Network, plan: Plan, parts: Sequence[Part]) -> Placement:
    groups, inhibitory, columns = group_populations(net)
    nodes, of_columns = {}, np.full(columns, -1, np.int64)
    sources = np.full(plan.n_all, -1, np.int64)
    for whole in groups:
        mine = plan.group(whole.key)
        part, local = _neurons(whole, mine, parts)
        nodes[whole.key] = part * mine.n + local
        sources[whole.source : whole.source + whole.n] = part * plan.n_sources + mine.source + local
        begins = [(whole.column + port * whole.n, mine.column + port * mine.n) for port in range(whole.ports)]
        if inhibitory and whole.model.routing.name == "SIGN":
            begins.append((whole.column + inhibitory, mine.column + plan.inhibitory))
        begins += [(a, b) for a, b in ((whole.current, mine.current), (whole.filtered, mine.filtered)) if a >= 0]
        for there, here in begins:
            of_columns[there : there + whole.n] = part * plan.columns + here + local
    left = sources < 0  # devices: part 0 tells of them
    behind = sum(g.n for g in plan.groups)
    sources[left] = behind + np.arange(int(left.sum()))
    return Placement(tuple(groups), nodes, sources, of_columns)


def _neurons(whole: Group, mine: Group, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """The part of each neuron of a group, and its place in that part's group."""
    part, local = np.zeros(whole.n, np.int64), np.zeros(whole.n, np.int64)
    for member, here in zip(whole.members, mine.members, strict=True):
        cuts = parts[0].cuts[member.population]
        index = np.arange(member.n)
        owner = np.searchsorted(cuts, index, side="right") - 1
        part[member.start : member.start + member.n] = owner
        local[member.start : member.start + member.n] = here.start + index - cuts[owner]
    return part, local


def connections_in_order(plan: Plan, key: str, connections: Mapping[str, Any], columns: np.ndarray) -> np.ndarray:
    """The places (n,) of the connections of a table in the order of one device: by source, delay where rows are in segments, and target.

    `connections` of all parts, fetched; `columns` as in `Placement`."""
    table = connections[key]
    back = np.full(int(columns.max(initial=0)) + 1, -1, np.int64)
    back[columns] = np.arange(len(columns))
    rows, targets, places = [], [], []
    length = table.target.shape[1]
    for part in range(table.target.shape[0]):
        ends = np.asarray(table.row_ptr[part])
        n = int(ends[-1])
        rows.append(np.repeat(np.arange(len(ends) - 1), np.diff(ends)))  # of the segments, where rows have several
        targets.append(back[part * plan.columns + np.asarray(table.target[part, :n])])
        places.append(part * length + np.arange(n))
    row, target, place = (np.concatenate(x) for x in (rows, targets, places))
    return place[np.lexsort((target, row))]  # a stable sort: connections of one target lie in one part, in their order


def whole(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values of parts (parts, …, length) as those of the network, (…, n)."""
    joined = np.moveaxis(array, 0, -2)
    return joined.reshape(*joined.shape[:-2], -1)[..., places]


def parted(values: np.ndarray, places: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Values of the network (…, n) in the places of parts; what fills them up stays as it is in `old` (parts, …, length)."""
    flat = np.moveaxis(old, 0, -2)
    shape = flat.shape
    flat = flat.reshape(*shape[:-2], -1).copy()
    flat[..., places] = values
    return np.moveaxis(flat.reshape(shape), -2, 0)
