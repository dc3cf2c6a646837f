"""Which neurons of a network one device of several holds.

Each population is cut into consecutive ranges, one a device, which have about the same number of connections. As all devices run one program,
their arrays have one shape: a range that is shorter than the longest is filled up by neurons that nothing reaches and nobody hears.
Sources of spikes keep their numbers (`Index.sources_of`), whatever the cut, and so do random numbers and the order of events: results do not
depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from jaxnest.devices._base import Drive
from jaxnest.neurons._base import Neuron

if TYPE_CHECKING:
    from jaxnest.simulation._network import Network, Population, Projection


@dataclass(frozen=True)
class Part:
    """The part `number` of several. `cuts` (parts + 1,) of each population of neurons: it holds the nodes ``cuts[number] : cuts[number + 1]``."""

    number: int
    cuts: Mapping[str, np.ndarray]

    def first(self, population: str) -> int:
        return int(self.cuts[population][self.number])

    def last(self, population: str) -> int:
        return int(self.cuts[population][self.number + 1])

    def size(self, population: str) -> int:
        """The number of nodes of the longest range; two at least, since an array of one value would be a value for all parts."""
        return max(int(np.diff(self.cuts[population]).max()), 2)

    def local(self, population: str, index: np.ndarray) -> np.ndarray:
        """The places of nodes in the range, -1 for those of other parts."""
        here = (index >= self.first(population)) & (index < self.last(population))
        return np.where(here, index - self.first(population), -1).astype(np.int32)

    def population(self, pop: Population) -> Population:
        """What of a population of neurons lies here, filled up."""
        if pop.name not in self.cuts:
            return pop
        first, n = self.first(pop.name), self.size(pop.name)
        index = np.minimum(first + np.arange(n), pop.n - 1)

        def mine(value: np.ndarray) -> np.ndarray:
            return value[..., index] if value.shape[-1:] == (pop.n,) and pop.n > 1 else value

        values = {name: mine(value) for name, value in pop.values.items()}
        return replace(
            pop, n=n, first=pop.first + first, values=values, frozen=None if pop.frozen is None else mine(pop.frozen)
        )


def parts_of(net: Network, number: int) -> list[Part]:
    """The parts of a network for so many devices."""
    cuts = {p.name: np.zeros(p.n) for p in net.populations if issubclass(p.model, Neuron)}
    for projection in net.projections:
        if not issubclass(projection.pre.parts[0][0].model, Drive):
            _count(projection, cuts)
    bounds = {name: _cuts(load + 1.0, number) for name, load in cuts.items()}
    return [Part(k, bounds) for k in range(number)]


def _count(projection: Projection, loads: Mapping[str, np.ndarray]) -> None:
    """Add the connections that each target of a projection is expected to have."""
    degree = projection.drawing.degrees(len(projection.post))
    begin = 0
    for pop, index in projection.post:
        np.add.at(loads[pop.name], index, degree[begin : begin + len(index)])
        begin += len(index)


def _cuts(load: np.ndarray, number: int) -> np.ndarray:
    """Where to cut nodes with these loads into parts of about the same load: (number + 1,)."""
    if (load == load[0]).all():  # the same for all: by number, so that no part is longer than need be
        return len(load) * np.arange(number + 1) // number
    ends = np.concatenate(([0.0], np.cumsum(load)))
    inner = np.searchsorted(ends, ends[-1] * np.arange(1, number) / number)
    return np.concatenate(([0], inner, [len(load)])).astype(np.int64)
