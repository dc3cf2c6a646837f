"""Layers: where the nodes of a population lie, and distances between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._parameters import Dimensions, Parameter
from jaxnest.nest._specs import as_flag, as_integers, point
from jaxnest.nest.spatial import free, grid


@dataclass(frozen=True, eq=False)
class Layer:
    """The positions of nodes in two or three dimensions.

    Attributes:
        positions: (n, d), in the order of the nodes. The nodes of a grid follow each other down the columns, from
            the upper left corner: the last dimension varies fastest, and y falls.
        lower_left: (d,), the corner of the least coordinates.
        extent: (d,), the size along each dimension.
        edge_wrap: whether opposite edges are joined.
        shape: how many nodes along each dimension; None unless the nodes lie on a grid.
    """

    positions: np.ndarray
    lower_left: np.ndarray
    extent: np.ndarray
    edge_wrap: bool = False
    shape: tuple[int, ...] | None = None

    @classmethod
    def of(cls, spec: object, n: int, rng: np.random.Generator) -> "Layer":
        """The layer that a ``spatial.grid`` or ``spatial.free`` describes; ``n`` counts only if positions are drawn.

        Raises TypeError for another object, ValueError for ``n`` > 1 with a grid, TypeMismatch for values of a wrong
        type, BadProperty for shapes, positions, centres and extents that do not fit each other, and KernelException
        for positions that are neither lists nor parameters and for a single node without an extent.
        """
        if isinstance(spec, grid):
            if n > 1:
                raise ValueError("Cannot specify number of nodes with grid positions")
            return _grid(cls, spec)
        if isinstance(spec, free):
            return _free(cls, spec, n, rng)
        raise TypeError("`positions` must be either a nest.spatial.free or a nest.spatial.grid object")

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.positions.shape[1]

    @property
    def center(self) -> np.ndarray:
        """The middle, (d,)."""
        return self.lower_left + self.extent / 2

    def displacement(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """From ``start`` to ``end``, (m, d) each; at joined edges by the shorter way, in [-extent/2, extent/2)."""
        steps = point(np.asarray(end, float), self.ndim) - point(np.asarray(start, float), self.ndim)
        if not self.edge_wrap:
            return steps
        half = self.extent / 2
        return modulo(steps + half, self.extent) - half

    def distance(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The length of `displacement`, (m,)."""
        return np.sqrt(np.square(self.displacement(start, end)).sum(axis=-1))

    def nearest(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """`displacement` without its rounding errors, (m, d): what parameters are drawn from.

        Steps of less than half the extent are returned exactly; half the extent itself has either sign.
        """
        steps = point(np.asarray(end, float), self.ndim) - point(np.asarray(start, float), self.ndim)
        if self.edge_wrap:
            with np.errstate(divide="ignore", invalid="ignore"):
                steps -= self.extent * np.round(steps * (1 / self.extent))
        return steps

    def metadata(self, places: np.ndarray) -> dict[str, Any]:
        """What ``nodes.spatial`` gives for the nodes in the rows ``places`` (int64) of the layer."""
        described = {
            "center": self.center,
            "edge_wrap": self.edge_wrap,
            "extent": self.extent.copy(),
            "network_size": len(places),
        }
        if self.shape is None:
            return described | {"positions": self.positions[places]}
        return described | {"shape": np.array(self.shape, np.int64)}


def modulo(value: np.ndarray, period: np.ndarray) -> np.ndarray:
    """The remainder in [0, period); the rows of a period of 0 are nan."""
    with np.errstate(invalid="ignore"):
        rest = np.fmod(value, period)
    return np.where(rest < 0, rest + period, rest)


def _grid(cls: type[Layer], spec: grid) -> Layer:
    shape = as_integers("shape", spec.shape)
    if not (shape > 0).all():
        raise NESTErrors.BadProperty("All shape entries must be positive.")
    if len(shape) not in (2, 3):
        raise NESTErrors.BadProperty("Shape must be of length 2 or 3.")
    extent = np.ones(len(shape)) if spec.extent is None else _reals(spec.extent, len(shape))
    center = np.zeros(len(shape)) if spec.center is None else _reals(spec.center, len(shape))
    lower_left = center - extent / 2
    # NEST counts rows from the top
    start, size = lower_left.copy(), extent.copy()
    start[1] += extent[1]
    size[1] *= -1
    cells = np.stack(np.unravel_index(np.arange(shape.prod()), shape), axis=1)
    positions = start + size / shape * cells + size / shape * 0.5
    return cls(positions, lower_left, extent, as_flag("edge_wrap", spec.edge_wrap), tuple(shape.tolist()))


def _free(cls: type[Layer], spec: free, n: int, rng: np.random.Generator) -> Layer:
    positions = spec.pos.draw_positions(n, rng) if isinstance(spec.pos, Dimensions) else _listed(spec.pos)
    low, high = positions.min(axis=0), positions.max(axis=0)
    center = (low + high) / 2
    edge_wrap = as_flag("edge_wrap", spec.edge_wrap)
    if spec.extent is None:
        if len(positions) <= 1:
            raise NESTErrors.KernelException("If only one node is created, 'extent' must be specified.")
        extent = np.ceil(high - low)
        return cls(positions, center - extent / 2, extent, edge_wrap)
    extent = _reals(spec.extent, positions.shape[1])
    if (low < center - extent / 2).any() or (high > center + extent / 2).any():
        raise NESTErrors.BadProperty("Node position outside of layer")
    return cls(positions, center - extent / 2, extent, edge_wrap)


def _listed(positions: Any) -> np.ndarray:
    """A list of positions as float64 (n, d)."""
    if any(isinstance(position, Parameter) for position in positions):
        raise TypeError("positions must be all Parameters or all coordinates")
    if not all(isinstance(position, list | tuple | np.ndarray) for position in positions):
        raise NESTErrors.KernelException("'positions' must be an array or a DimensionParameter.")
    ndim = len(positions[0])
    if ndim not in (2, 3):
        raise NESTErrors.BadProperty("Positions must have 2 or 3 coordinates.")
    if any(len(position) != ndim for position in positions):
        raise NESTErrors.BadProperty(f"Expected a {ndim}-dimensional position.")
    return np.array(positions, float)


def _reals(values: Sequence[float], ndim: int) -> np.ndarray:
    return point(np.array([float(value) for value in values]), ndim)
