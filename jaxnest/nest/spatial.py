"""``nest.spatial``: where nodes lie, and parameters that depend on it."""

from collections.abc import Sequence

import numpy as np

from jaxnest.nest._parameters import Dimensions, Distance, Parameter, Position

__all__ = ["distance", "free", "grid", "pos", "source_pos", "target_pos"]


class grid:
    """Positions on a grid of two or three dimensions.

    Args:
        shape: how many nodes along each dimension.
        center: the middle of the grid; the origin by default.
        extent: its size along each dimension; 1 by default.
        edge_wrap: whether opposite edges are joined.
    """

    def __init__(
        self,
        shape: Sequence[int],
        center: Sequence[float] | None = None,
        extent: Sequence[float] | None = None,
        edge_wrap: bool = False,
    ) -> None:
        self.shape = shape
        self.center = center
        self.extent = extent
        self.edge_wrap = edge_wrap


class free:
    """Positions from a list, or drawn from a parameter.

    Args:
        pos: a list of positions; or a list of one parameter for each dimension; or one parameter for all.
        extent: the size of the layer along each dimension; by default that of the nodes, rounded up.
        edge_wrap: whether opposite edges are joined.
        num_dimensions: 2 or 3; needed for one parameter without extent, and an error otherwise.

    Raises TypeError if ``pos`` is of a wrong type or the number of dimensions is missing or given twice, and
    ValueError if it is neither 2 nor 3.
    """

    def __init__(
        self,
        pos: Sequence | np.ndarray | Parameter,
        extent: Sequence[float] | None = None,
        edge_wrap: bool = False,
        num_dimensions: int | None = None,
    ) -> None:
        given = extent is not None and len(extent) > 0
        if given and num_dimensions:
            raise TypeError("extent and number of dimensions cannot be specified at the same time")
        self.pos: Sequence | np.ndarray | Parameter
        if isinstance(pos, Parameter):
            num_dimensions = len(extent) if given else num_dimensions  # type: ignore[arg-type]
            if not num_dimensions:
                raise TypeError(
                    "could not infer number of dimensions. Set num_dimensions or extent when using Parameter as pos"
                )
            self.pos = Dimensions((pos,) * num_dimensions)
        elif isinstance(pos, list | tuple | np.ndarray):
            if num_dimensions:
                raise TypeError("number of dimensions cannot be specified when using an array of positions")
            all_drawn = all(isinstance(axis, Parameter) for axis in pos)
            self.pos = Dimensions(tuple(pos)) if all_drawn else pos
        else:
            raise TypeError("pos must be either an array of positions, or a Parameter")
        self.extent = extent
        self.edge_wrap = edge_wrap


class _Coordinates:
    """One coordinate as a parameter: ``.x``, ``.y``, ``.z`` or ``.n(dimension)`` with 0 for x."""

    def __init__(self, endpoint: int) -> None:
        self._endpoint = endpoint
        self.x, self.y, self.z = (Position(dimension, endpoint) for dimension in range(3))

    def n(self, dimension: int) -> Parameter:
        """Coordinate number ``dimension``, from 0; BadParameterValue if it is negative."""
        from jaxnest.nest._parameter_types import CreateParameter

        return CreateParameter("position", {"dimension": dimension, "synaptic_endpoint": self._endpoint})


class _Distance(Distance):
    """The distance from source to target, and along one dimension: ``.x``, ``.y``, ``.z`` or ``.n(dimension)``."""

    @property
    def x(self) -> Parameter:
        """Along x."""
        return Distance(1)

    @property
    def y(self) -> Parameter:
        """Along y."""
        return Distance(2)

    @property
    def z(self) -> Parameter:
        """Along z."""
        return Distance(3)

    @staticmethod
    def n(dimension: int) -> Parameter:
        """Along dimension number ``dimension``, from 1; 0 is the distance in space. BadParameterValue if negative."""
        from jaxnest.nest._parameter_types import CreateParameter

        return CreateParameter("distance", {"dimension": dimension})


pos = _Coordinates(0)
source_pos = _Coordinates(1)
target_pos = _Coordinates(2)
distance = _Distance()
