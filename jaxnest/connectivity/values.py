"""What each connection of a projection has: a weight, a delay, a parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxnest.connectivity.distributions import Distribution, sample
from jaxnest.connectivity.sampling import Drawing, Stream
from jaxnest.errors import ConfigurationError


def smallest_unsigned(largest: int) -> np.dtype[Any]:
    """The smallest unsigned type that holds `largest`."""
    return np.min_scalar_type(max(int(largest), 0))


class PerConnection:
    """One number for all connections, an array with one for each, or a distribution from which each draws.

    **Arguments:** `what`: what errors call it; `value`; `drawing`: the connections; `stream`: of the random numbers;
    `finish`: what turns float64 values (of any shape) into those that are wanted, and checks them.

    **Raises:** `ConfigurationError` for another type or shape, for a number that is not finite, for what `finish` refuses:
    for a distribution, among its values in the first chunk of connections.
    """

    def __init__(
        self,
        what: str,
        value: Any,
        drawing: Drawing,
        stream: Stream,
        finish: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.what = what
        self._drawing, self._stream, self._finish = drawing, stream, finish
        self.drawn = isinstance(value, Distribution)
        self._value: Any = value if self.drawn else self._given(value)
        if self.drawn:
            self.first()

    def _given(self, value: Any) -> np.ndarray:
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ConfigurationError(f"{self.what}={value!r} is no number, array or distribution") from None
        if not np.isfinite(array).all():
            raise ConfigurationError(f"{self.what}={value!r} must be finite")
        if array.ndim and array.shape != (len(self._drawing),):
            raise ConfigurationError(
                f"{self.what}: shape {array.shape} does not fit {len(self._drawing)} connections; "
                f"give a number or shape ({len(self._drawing)},)"
            )
        if self._finish is not None:
            array = self._named(array)
            return array.astype(smallest_unsigned(array.max(initial=1))) if array.dtype.kind in "iu" and array.ndim else array
        kept = getattr(value, "dtype", array.dtype)
        return np.array(value) if array.ndim and kept.kind in "iuf" and kept.itemsize < 8 else array.copy()

    def _named(self, values: np.ndarray) -> np.ndarray:
        assert self._finish is not None
        try:
            return self._finish(values)
        except ConfigurationError as fault:
            raise ConfigurationError(f"{self.what}: {fault}") from None

    @property
    def constant(self) -> bool:
        """Whether it is one number for all."""
        return not self.drawn and self._value.ndim == 0

    @property
    def given(self) -> Any:
        """The distribution, or the number or array."""
        return self._value

    @property
    def number(self) -> np.ndarray:
        """The one number of all connections, shape ()."""
        assert self.constant
        return self._value

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The type of what was given, None for a distribution."""
        return None if self.drawn else self._value.dtype

    def chunk(self, k: int, n: int) -> np.ndarray:
        """The values of chunk k, which has `n` connections: shape (), or (n,)."""
        if self.drawn:
            values = sample(self._value, n, self._stream.generator(k), name=self.what)
            return values if self._finish is None else self._named(values)
        if self._value.ndim == 0:
            return self._value
        start = self._drawing.start(k)
        return self._value[start : start + n]

    def first(self) -> np.ndarray:
        """The number, the array, or what the connections of the first chunk draw."""
        if self.drawn:
            return self.chunk(0, self._drawing.size(0) if self._drawing.chunks else 0)
        return self._value

    def all(self) -> np.ndarray:
        """The values of all connections, as drawn: shape (), or (n,)."""
        if not self.drawn:
            return self._value
        sizes = self._drawing.sizes
        return np.concatenate([self.first()[:0], *(self.chunk(k, int(n)) for k, n in enumerate(sizes))])

    def span(self) -> tuple[int, int]:
        """The least and the largest of the values (integers) of all connections, of which there is at least one."""
        if not self.drawn:
            return int(self._value.min()), int(self._value.max())
        chunks = [self.chunk(k, int(n)) for k, n in enumerate(self._drawing.sizes) if n]
        return min(int(c.min()) for c in chunks), max(int(c.max()) for c in chunks)

    def only(self) -> PerConnection | None:
        """The one number that all values are, as it would be if given so; None if they differ."""
        first = self.first()
        if first.ndim and (first != first[:1]).any():
            return None
        if first.ndim == 0 or not len(first):
            return self
        one = object.__new__(PerConnection)
        one.what, one.drawn, one._value = self.what, False, np.asarray(first[0])
        one._drawing, one._stream, one._finish = self._drawing, self._stream, None
        return one
