"""Where the nodes, sources, input columns and connections of a whole network lie in the arrays of its parts.

A place is part * length + place in the part. Gathered by these places, arrays of parts (parts, …, length) are those of the whole network, in the
order in which a network on one device has them: see `At`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxnest.events.deliver import Table
from jaxnest.simulation._layout import group_populations
from jaxnest.simulation._network import Network
from jaxnest.simulation._part import Part
from jaxnest.simulation._plan import Group, Plan


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


@dataclass(frozen=True)
class Placement:
    """`groups` of the whole network; by their keys the places of their neurons, `nodes`; `sources` (n_all,) and `columns` of the ring buffer."""

    groups: tuple[Group, ...]
    nodes: Mapping[str, np.ndarray]
    sources: np.ndarray
    columns: np.ndarray

    def numbers(self, n_parts: int, n_sources: int) -> np.ndarray:
        """The number in the whole network of each source of each part, (n_parts, n_sources); -1 for those that are no part of it."""
        numbers = np.full(n_parts * n_sources, -1, np.int32)
        numbers[self.sources] = np.arange(len(self.sources))
        return numbers.reshape(n_parts, n_sources)


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


def connections_in_order(plan: Plan, table: Table, columns: np.ndarray) -> np.ndarray:
    """The places (n,) of the connections of a table in the order of one device: by source, delay where rows are in segments, and target.

    `table` of all parts, fetched; `columns` as in `Placement`."""
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


def ranks(owner: np.ndarray) -> np.ndarray:
    """How many of the same owner stand before each: (n,)."""
    order = np.argsort(owner, kind="stable")
    found = np.empty(len(owner), np.int64)
    found[order] = np.arange(len(owner)) - np.searchsorted(owner[order], owner[order])
    return found
