"""Parameters: expressions that are drawn when nodes and connections are made.

A `Parameter` is an immutable tree. ``parameter.draw(context)`` evaluates it for ``context.n`` nodes or connections
at once. Random leaves draw anew at every place where they stand in the tree, as in NEST: ``u - u`` is not 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._specs import row_sums

_REDRAWS = 1000


@dataclass(frozen=True)
class Context:
    """What a parameter may depend on.

    Attributes:
        n: how many values are drawn.
        rng: the generator of the draws.
        positions: (n, d), where each node lies; for the creation of nodes.
        sources, targets: (n, d), where source and target of each connection lie.
        displacement: (n, d), from source to target, by the shorter way round at periodic edges.
    """

    n: int
    rng: np.random.Generator
    positions: np.ndarray | None = None
    sources: np.ndarray | None = None
    targets: np.ndarray | None = None
    displacement: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Context":
        """The context of the rows alone; ``rows`` is an int64 array."""

        def some(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[rows]

        return Context(
            len(rows),
            self.rng,
            positions=some(self.positions),
            sources=some(self.sources),
            targets=some(self.targets),
            displacement=some(self.displacement),
        )


class Parameter:
    """An expression of random numbers, positions and distances; made by `CreateParameter` and ``nest.random`` & co.

    Arithmetic and comparison with parameters and numbers give parameters; the exponent of ``**`` is a number.
    """

    _spatial: bool
    _integer: bool

    def __init__(self, datum: object) -> None:
        raise TypeError("Expected low-level parameter object; use the 'CreateParameter()' function to create one.")

    def draw(self, context: Context) -> np.ndarray:
        """``context.n`` values, float64 (n,)."""
        raise NotImplementedError

    def GetValue(self) -> float:
        """One value; a parameter that needs positions raises BadParameterValue or KernelException."""
        from jaxnest.nest._kernel import kernel

        return float(self.draw(Context(1, kernel.rng))[0])

    def is_spatial(self) -> bool:
        """Whether the value depends on positions."""
        return self._spatial

    def returns_int_only(self) -> bool:
        """Whether every value is an integer, so that it may be given to an integer property."""
        return self._integer

    def apply(self, spatial_nc: Any, positions: list | tuple | None = None) -> tuple[float, ...]:
        """The values at the nodes or, with ``positions``, from the one node to each of the positions."""
        from jaxnest.nest._apply import apply

        return apply(self, spatial_nc, positions)

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: object) -> "Parameter":
        return _combine(np.add, self, other)

    def __radd__(self, other: object) -> "Parameter":
        return self + other

    def __sub__(self, other: object) -> "Parameter":
        return _combine(np.subtract, self, other)

    def __rsub__(self, other: object) -> "Parameter":
        return -self + other

    def __mul__(self, other: object) -> "Parameter":
        return _combine(np.multiply, self, other)

    def __rmul__(self, other: object) -> "Parameter":
        return self * other

    def __truediv__(self, other: object) -> "Parameter":
        return _combine(np.divide, self, other)

    def __rtruediv__(self, other: object) -> "Parameter":
        return self**-1 * other

    def __pow__(self, exponent: float | str) -> "Parameter":
        return Function(np.power, (self, Constant(float(exponent))), self._integer)

    def __pos__(self) -> "Parameter":
        return self

    def __neg__(self) -> "Parameter":
        return self * -1

    def __lt__(self, other: object) -> "Parameter":
        return _compare(np.less, self, other)

    def __le__(self, other: object) -> "Parameter":
        return _compare(np.less_equal, self, other)

    def __eq__(self, other: object) -> "Parameter":  # type: ignore[override]
        return _compare(np.equal, self, other)

    def __ne__(self, other: object) -> "Parameter":  # type: ignore[override]
        return _compare(np.not_equal, self, other)

    def __ge__(self, other: object) -> "Parameter":
        return _compare(np.greater_equal, self, other)

    def __gt__(self, other: object) -> "Parameter":
        return _compare(np.greater, self, other)


class _Fixed(Parameter):
    """A parameter that does not change after it is made."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("parameters cannot be changed")

    def _set(self, spatial: bool, integer: bool, **fields: object) -> None:
        self.__dict__.update(fields, _spatial=spatial, _integer=integer)


class Constant(_Fixed):
    """The same number for all."""

    _value: float

    def __init__(self, value: float) -> None:
        self._set(False, float(value).is_integer(), _value=float(value))

    def draw(self, context: Context) -> np.ndarray:
        return np.full(context.n, self._value)


class Random(_Fixed):
    """Independent random numbers; ``sample(rng, n)`` draws them."""

    _sample: Callable[[np.random.Generator, int], np.ndarray]

    def __init__(self, sample: Callable[[np.random.Generator, int], np.ndarray], integer: bool = False) -> None:
        self._set(False, integer, _sample=sample)

    def draw(self, context: Context) -> np.ndarray:
        return np.asarray(self._sample(context.rng, context.n), float)


class Position(_Fixed):
    """One coordinate of the node (endpoint 0), of the source (1) or of the target (2)."""

    _dimension: int
    _endpoint: int

    def __init__(self, dimension: int, endpoint: int = 0) -> None:
        if dimension < 0:
            raise NESTErrors.BadParameterValue("Node position parameter dimension cannot be negative.")
        if endpoint not in (0, 1, 2):
            raise NESTErrors.BadParameterValue("Synaptic endpoint must either be unspecified (0), source (1) or target (2).")
        self._set(True, False, _dimension=dimension, _endpoint=endpoint)

    def draw(self, context: Context) -> np.ndarray:
        connecting = context.sources is not None
        if self._endpoint == 0 and connecting:
            raise NESTErrors.BadParameterValue("Node position parameter cannot be used when connecting.")
        if self._endpoint and not connecting:
            raise NESTErrors.BadParameterValue("Source or target position parameter can only be used when connecting.")
        points = (context.positions, context.sources, context.targets)[self._endpoint]
        if points is None:
            raise NESTErrors.KernelException(
                "Node position parameter can only be used when connecting spatially distributed nodes."
            )
        if self._dimension >= points.shape[1]:
            raise NESTErrors.KernelException(
                "Node position dimension must be within the defined number of dimensions for the node."
            )
        return points[:, self._dimension]


class Distance(_Fixed):
    """The distance from source to target: in space (dimension 0), or along x, y or z (1, 2 or 3)."""

    _dimension: int

    def __init__(self, dimension: int = 0) -> None:
        if dimension < 0:
            raise NESTErrors.BadParameterValue("Spatial distance parameter dimension cannot be negative.")
        self._set(True, False, _dimension=dimension)

    def draw(self, context: Context) -> np.ndarray:
        steps = context.displacement
        if steps is None:
            raise NESTErrors.BadParameterValue("Spatial distance parameter can only be used when connecting.")
        if self._dimension == 0:
            return np.sqrt(row_sums(np.square(steps)))
        if self._dimension > 3:
            raise NESTErrors.KernelException(
                f"SpatialDistanceParameter dimension must be either 0 for unspecified, or 1-3 for x-z. Got {self._dimension}"
            )
        if self._dimension > steps.shape[1]:
            raise NESTErrors.KernelException(
                "Spatial distance dimension must be within the defined number of dimensions for the nodes."
            )
        return np.abs(steps[:, self._dimension - 1])


class Function(_Fixed):
    """``function`` of the values of other parameters, elementwise."""

    _function: Callable[..., np.ndarray]
    _operands: tuple[Parameter, ...]

    def __init__(self, function: Callable[..., np.ndarray], operands: tuple[Parameter, ...], integer: bool) -> None:
        self._set(any(p._spatial for p in operands), integer, _function=function, _operands=operands)

    def draw(self, context: Context) -> np.ndarray:
        values = [operand.draw(context) for operand in self._operands]
        with np.errstate(all="ignore"):  # 0/0 and the like give nan and inf, as in NEST
            return np.asarray(self._function(*values), float)


class Kernel(_Fixed):
    """A function of space, like a Gaussian of the distance: it has a value only for connections."""

    _name: str
    _inner: Function

    def __init__(self, name: str, function: Callable[..., np.ndarray], operands: tuple[Parameter, ...]) -> None:
        self._set(True, False, _name=name, _inner=Function(function, operands, False))

    def draw(self, context: Context) -> np.ndarray:
        if context.sources is None:
            raise NESTErrors.BadParameterValue(f"{self._name} parameter can only be used when connecting.")
        return self._inner.draw(context)


class Conditional(_Fixed):
    """``if_true`` where the condition is not 0, else ``if_false``; only the chosen one is drawn."""

    _parts: tuple[Parameter, Parameter, Parameter]

    def __init__(self, condition: Parameter, if_true: Parameter, if_false: Parameter) -> None:
        parts = (condition, if_true, if_false)
        self._set(any(p._spatial for p in parts), if_true._integer and if_false._integer, _parts=parts)

    def draw(self, context: Context) -> np.ndarray:
        condition, if_true, if_false = self._parts
        chosen = condition.draw(context) != 0
        values = np.empty(context.n)
        for rows, branch in ((np.flatnonzero(chosen), if_true), (np.flatnonzero(~chosen), if_false)):
            if rows.size:
                values[rows] = branch.draw(context.take(rows))
        return values


class Redraw(_Fixed):
    """Draws again what lies outside [low, high], 1000 times at most, then KernelException."""

    _inner: Parameter
    _low: float
    _high: float

    def __init__(self, inner: Parameter, low: float, high: float) -> None:
        if low > high:
            raise NESTErrors.BadParameterValue("min <= max required.")
        self._set(inner._spatial, False, _inner=inner, _low=low, _high=high)

    def draw(self, context: Context) -> np.ndarray:
        values = np.empty(context.n)
        rows = np.arange(context.n)
        for _ in range(_REDRAWS):
            if not rows.size:
                return values
            drawn = self._inner.draw(context.take(rows))
            values[rows] = drawn
            rows = rows[(drawn < self._low) | (drawn > self._high)]
        if rows.size:
            raise NESTErrors.KernelException(f"Number of redraws exceeded limit of {_REDRAWS}")
        return values


class Dimensions(_Fixed):
    """One parameter for each coordinate of a position; it has no value of its own."""

    _axes: tuple[Parameter, ...]

    def __init__(self, axes: tuple[Parameter, ...]) -> None:
        if len(axes) not in (2, 3):
            raise ValueError("Number of dimensions must be 2 or 3")
        self._set(True, False, _axes=axes)

    def draw(self, context: Context) -> np.ndarray:
        raise NESTErrors.KernelException("Cannot get value of DimensionParameter.")

    def draw_positions(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Positions of ``n`` nodes, float64 (n, d)."""
        return np.stack([axis.draw(Context(n, rng)) for axis in self._axes], axis=1)


def _operand(value: object) -> Parameter:
    """A parameter as it is, a number as a constant; anything else raises NotImplementedError, as in NEST."""
    if isinstance(value, Parameter):
        return value
    if isinstance(value, int | float | np.integer | np.floating):
        return Constant(float(value))
    raise NotImplementedError(f"A Parameter can be combined with parameters and numbers, not with {type(value)}")


def _combine(function: Callable[..., np.ndarray], left: Parameter, right: object) -> Parameter:
    operands = (left, _operand(right))
    return Function(function, operands, operands[0]._integer and operands[1]._integer)


def _compare(function: Callable[..., np.ndarray], left: Parameter, right: object) -> Parameter:
    return Function(function, (left, _operand(right)), True)
