"""Masks: regions of space around a node, in which its partners are sought.

A mask is given in coordinates relative to the node. `CreateMask` makes it from a dictionary; ``|``, ``&`` and ``-``
combine masks. Points on the boundary lie inside.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._specs import all_columns, row_sums

_TOLERANCE = 1e-12  # of a rotated box, whose edges are not exact


class Mask:
    """A region of space; made by `CreateMask`."""

    ndim: int

    def __init__(self, data: object) -> None:
        raise TypeError("Expected MaskObject; use the 'CreateMask()' function to create a mask.")

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Which of the points (m, d) lie inside, bool (m,)."""
        raise NotImplementedError

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """The lower and upper corner, (d,) each, of a box that holds the mask."""
        raise NotImplementedError

    def Inside(self, point: Any) -> bool:
        """Whether the point lies inside; BadProperty if it has another number of dimensions."""
        coordinates = np.array([_coordinate(x) for x in point])
        if len(coordinates) != self.ndim:
            raise NESTErrors.BadProperty(f"Expected a {self.ndim}-dimensional position.")
        return bool(self.inside(coordinates[None])[0])

    def __or__(self, other: object) -> "Mask":
        return Union(*_pair(self, other, "|"))

    def __and__(self, other: object) -> "Mask":
        return Intersection(*_pair(self, other, "&"))

    def __sub__(self, other: object) -> "Mask":
        return Difference(*_pair(self, other, "-"))


def _coordinate(value: object) -> float:
    if not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"must be real number, not {type(value).__name__}")
    return float(value)


def _pair(first: Mask, second: object, sign: str) -> tuple[Mask, Mask]:
    if not isinstance(second, Mask):
        raise NotImplementedError(f"Both operands of {sign} must be masks.")
    if isinstance(first, Grid):
        raise NESTErrors.KernelException("Grid masks can not be combined.")
    if isinstance(second, Grid) or first.ndim != second.ndim:
        raise NESTErrors.BadProperty("Masks must have same number of dimensions.")
    return first, second


@dataclass(frozen=True, eq=False)
class Ball(Mask):
    """A circle or a ball around ``center``."""

    center: np.ndarray
    radius: float

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return len(self.center)

    def inside(self, points: np.ndarray) -> np.ndarray:
        offsets = np.abs(points - self.center)
        # the sum of the offsets is exact where points of a grid lie on the circle, the root is not
        near = (row_sums(offsets) <= self.radius) | (np.sqrt(row_sums(np.square(offsets))) <= self.radius)
        return near & all_columns(offsets <= self.radius)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        return self.center - self.radius, self.center + self.radius


@dataclass(frozen=True, eq=False)
class Box(Mask):
    """A rectangle or a box, turned about its centre: ``axes`` (d, d) are the directions of its edges, as rows."""

    lower: np.ndarray
    upper: np.ndarray
    axes: np.ndarray | None = None

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return len(self.lower)

    def inside(self, points: np.ndarray) -> np.ndarray:
        if self.axes is None:
            return all_columns((points >= self.lower) & (points <= self.upper))
        middle = (self.lower + self.upper) / 2
        turned = (points - middle) @ self.axes.T + middle
        return all_columns((turned >= self.lower - _TOLERANCE) & (turned <= self.upper + _TOLERANCE))

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        if self.axes is None:
            return self.lower, self.upper
        middle, half = (self.lower + self.upper) / 2, (self.upper - self.lower) / 2
        reach = half @ np.abs(self.axes)
        return middle - reach, middle + reach


@dataclass(frozen=True, eq=False)
class Ellipse(Mask):
    """An ellipse or an ellipsoid: ``axes`` (d, d) are its principal directions, ``half`` (d,) the semi-axes."""

    center: np.ndarray
    half: np.ndarray
    axes: np.ndarray | None = None

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return len(self.center)

    def inside(self, points: np.ndarray) -> np.ndarray:
        offsets = points - self.center
        if self.axes is not None:
            offsets = offsets @ self.axes.T
        return row_sums(np.square(offsets) / np.square(self.half)) <= 1

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        # of a turned one NEST takes the box in which it can turn
        reach = self.half if self.axes is None else np.full(self.ndim, self.half.max())
        return self.center - reach, self.center + reach


@dataclass(frozen=True, eq=False)
class Grid(Mask):
    """A block of the nodes of a grid: ``shape`` columns and rows, of which the node itself has index ``anchor``."""

    shape: np.ndarray
    anchor: np.ndarray

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return len(self.shape)

    def inside(self, points: np.ndarray) -> np.ndarray:
        raise NESTErrors.KernelException("Grid mask must be applied to a grid layer.")

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        raise NESTErrors.KernelException("Grid mask must be applied to a grid layer.")

    def Inside(self, point: Any) -> bool:
        raise NESTErrors.KernelException("Grid mask must be applied to a grid layer.")

    def on(self, cell: np.ndarray) -> Box:
        """The same block as a box, for a grid whose cells have the size ``cell`` (d,)."""
        first = cell * -self.anchor - cell * 0.5
        last = cell * (self.shape - self.anchor) - cell * 0.5
        first[1], last[1] = -last[1], -first[1]  # rows are counted from the top
        return Box(first, last)


@dataclass(frozen=True, eq=False)
class _Combined(Mask):
    first: Mask
    second: Mask

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return self.first.ndim


class Union(_Combined):
    """Inside either mask."""

    def inside(self, points: np.ndarray) -> np.ndarray:
        return self.first.inside(points) | self.second.inside(points)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        (low, high), (other_low, other_high) = self.first.box(), self.second.box()
        return np.minimum(low, other_low), np.maximum(high, other_high)


class Intersection(_Combined):
    """Inside both masks."""

    def inside(self, points: np.ndarray) -> np.ndarray:
        return self.first.inside(points) & self.second.inside(points)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        (low, high), (other_low, other_high) = self.first.box(), self.second.box()
        return np.maximum(low, other_low), np.minimum(high, other_high)


class Difference(_Combined):
    """Inside the first mask but not the second."""

    def inside(self, points: np.ndarray) -> np.ndarray:
        return self.first.inside(points) & ~self.second.inside(points)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        return self.first.box()


@dataclass(frozen=True, eq=False)
class Anchored(Mask):
    """A mask that is moved by ``anchor`` (d,)."""

    mask: Mask
    anchor: np.ndarray

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return self.mask.ndim

    def inside(self, points: np.ndarray) -> np.ndarray:
        return self.mask.inside(points - self.anchor)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.mask.box()
        return low + self.anchor, high + self.anchor


@dataclass(frozen=True, eq=False)
class Converse(Mask):
    """A mask seen from the other end of the connection."""

    mask: Mask

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return self.mask.ndim

    def inside(self, points: np.ndarray) -> np.ndarray:
        return self.mask.inside(-points)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.mask.box()
        return -high, -low
