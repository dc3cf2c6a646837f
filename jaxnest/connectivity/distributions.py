"""Values for connections: a number, an array, or a distribution that each connection draws from.

`sample` turns any of them into an array; `delay_steps` puts delays on the time grid as NEST does.
Everything runs on the host with the caller's generator, in chunks, so that beside the result little memory is needed.
"""

import abc
import dataclasses
import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jaxnest.errors import ConfigurationError

_CHUNK = 1 << 18  # values drawn at a time; part of what fixes the random sequence
_MAX_REDRAWS = 1000  # NEST's limit
_TICS_PER_MS = 1000  # NEST's tic: 1 µs
_INT32_MAX = np.iinfo(np.int32).max


class Distribution(abc.ABC):
    """What each connection draws its own value from. Sums and products with a number give an `Affine`.

    The bounds `min` and `max` are kept by redrawing: a value outside [min, max] is drawn again (NEST's `redraw`).
    """

    __array_ufunc__ = None  # numpy scalars leave `np.float64(2) * distribution` to __rmul__

    @abc.abstractmethod
    def fill(self, rng: np.random.Generator, out: np.ndarray) -> None:
        """Overwrite the float32 or float64 array `out` with draws that take no notice of `min` and `max`."""

    def __mul__(self, factor):
        return _affine(self, factor, 0.0)

    def __add__(self, term):
        return _affine(self, 1.0, term)

    def __truediv__(self, divisor):
        return _affine(self, 1.0 / float(divisor), 0.0)

    def __sub__(self, term):
        return _affine(self, 1.0, operator.neg(term))

    def __rsub__(self, term):
        return _affine(self, -1.0, term)

    def __neg__(self):
        return _affine(self, -1.0, 0.0)

    __rmul__ = __mul__
    __radd__ = __add__


@dataclasses.dataclass(frozen=True)
class Normal(Distribution):
    """Normal distribution with mean `mean` and standard deviation `std` > 0, before redrawing."""

    mean: float = 0.0
    std: float = 1.0
    min: float | None = None
    max: float | None = None

    def __post_init__(self):
        _check(self, positive=("std",), finite=("mean", "std"))

    def fill(self, rng, out):
        rng.standard_normal(dtype=out.dtype, out=out)
        out *= self.std
        out += self.mean


@dataclasses.dataclass(frozen=True)
class LogNormal(Distribution):
    """exp of a normal distribution; `mean` and `std` > 0 are those of that normal distribution, as in NEST."""

    mean: float = 0.0
    std: float = 1.0
    min: float | None = None
    max: float | None = None

    def __post_init__(self):
        _check(self, positive=("std",), finite=("mean", "std"))

    def fill(self, rng, out):
        rng.standard_normal(dtype=out.dtype, out=out)
        out *= self.std
        out += self.mean
        with np.errstate(over="ignore"):  # reported by `sample`
            np.exp(out, out=out)


@dataclasses.dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform distribution over [min, max)."""

    min: float = 0.0
    max: float = 1.0

    def __post_init__(self):
        _check(self, finite=("min", "max"))
        if not self.min < self.max:
            raise ConfigurationError(f"uniform: min={self.min} is not below max={self.max}; give min < max")

    def fill(self, rng, out):
        rng.random(dtype=out.dtype, out=out)
        out *= self.max - self.min
        out += self.min


@dataclasses.dataclass(frozen=True)
class Exponential(Distribution):
    """Exponential distribution with mean `beta` >= 0, before redrawing."""

    beta: float = 1.0
    min: float | None = None
    max: float | None = None

    def __post_init__(self):
        _check(self, finite=("beta",))
        if self.beta < 0:
            raise ConfigurationError(f"exponential: beta={self.beta} is negative; give beta >= 0, the mean")

    def fill(self, rng, out):
        rng.standard_exponential(dtype=out.dtype, out=out)
        out *= self.beta


@dataclasses.dataclass(frozen=True)
class Affine(Distribution):
    """`scale` · draw + `offset`; made by arithmetic on a distribution, whose bounds hold for the draw itself."""

    distribution: Distribution
    scale: float
    offset: float

    def __post_init__(self):
        _check(self, finite=("scale", "offset"))

    def fill(self, rng, out):
        _fill_within_bounds(self.distribution, rng, out)
        out *= self.scale
        out += self.offset


normal = Normal
lognormal = LogNormal
uniform = Uniform
exponential = Exponential


def is_constant(value: Any) -> bool:
    """Whether `value` is one number for all connections: neither an array of them nor a distribution."""
    return not isinstance(value, Distribution) and np.ndim(value) == 0


def sample(value: Any, n: int, rng: np.random.Generator, dtype: DTypeLike = np.float64, *, name: str = "value") -> np.ndarray:
    """One value for each of `n` connections.

    **Arguments:**

    - `value`: a number, an array of shape (n,), or a `Distribution`.
    - `rng`: advanced only if `value` is a distribution.
    - `dtype`: of the result; a distribution needs float32 or float64 and draws in that precision.
    - `name`: what errors call the value.

    **Returns:** a new array of shape (n,).

    **Raises:** `ConfigurationError` for another type or shape, for NaN, for a fraction where `dtype` is an integer type,
    if redrawing into [min, max] does not succeed, and if draws overflow.
    """
    dtype = np.dtype(dtype)
    if isinstance(value, Distribution):
        if dtype not in (np.float32, np.float64):
            raise ConfigurationError(f"{name}: {value} cannot be drawn as {dtype}; use float32 or float64")
        out = np.empty(n, dtype)
        for start in range(0, n, _CHUNK):
            part = out[start : start + _CHUNK]
            _fill_within_bounds(value, rng, part)
            if not np.isfinite(part).all():
                raise ConfigurationError(f"{name}: draws from {value} overflow {dtype}; use smaller parameters, or max=")
        return out

    given = np.asarray(value)
    if given.dtype.kind not in "iuf":
        raise ConfigurationError(
            f"{name}={value!r} is neither a number nor an array of {n} numbers nor a distribution such as normal(1, 0.1)"
        )
    if given.shape not in ((), (n,)):
        raise ConfigurationError(f"{name}: shape {given.shape} does not fit {n} connections; give a number or shape ({n},)")
    if given.dtype.kind == "f" and np.isnan(given).any():
        raise ConfigurationError(f"{name} contains NaN; give numbers")
    with np.errstate(invalid="ignore", over="ignore"):
        cast = given.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(cast, given):
        raise ConfigurationError(f"{name}={value!r} does not fit {dtype}; give integers within its range")
    return np.full(n, cast) if given.ndim == 0 else cast


def delay_steps(delay_ms: ArrayLike, h: float, up: bool = False) -> np.ndarray:
    """Delays in steps of the resolution `h` (ms), rounded half up like NEST's, bit for bit in float64.

    NEST computes floor(delay · (1/h) + 1/2) with h taken from its grid of 1 µs tics. At h = 0.05, 0.1, 0.2, 0.25, 0.5 and
    1 no half step is lost to rounding errors; at 0.01 and 0.02 NEST loses one in seventeen (0.285 at 0.01 gives 28), and so
    does this. A float32 delay stands for the decimal number that it approximates: float32 0.35 at 0.1 gives 4.
    With `up` they are rounded up instead, but for rounding errors, and must be at least one step.

    **Returns:** int32 array of the shape of `delay_ms`.

    **Raises:** `ConfigurationError` for a delay that rounds to less than one step, that is not finite, or that
    exceeds int32.
    """
    if not (math.isfinite(h) and h > 0):
        raise ConfigurationError(f"h={h} is not a resolution; give a positive number of ms")
    tics = round(h * _TICS_PER_MS)
    on_grid = tics >= 1 and math.isclose(tics, h * _TICS_PER_MS, rel_tol=1e-9)
    steps_per_ms = 1.0 / (tics / _TICS_PER_MS if on_grid else h)

    delays = np.asarray(delay_ms)
    if delays.dtype.kind not in "iuf":
        raise ConfigurationError(f"delay={delay_ms!r} is not numeric; give ms")
    slack = 2.0**-23 if delays.dtype == np.float32 else 0.0
    flat = delays.reshape(-1)
    steps = np.empty(flat.shape, np.int32)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        scaled = part.astype(np.float64)
        if up:
            scaled *= steps_per_ms
            margin = (1e-12 + slack) * scaled
            np.ceil(scaled - margin, out=scaled, where=scaled + margin >= 1.0)
        else:
            scaled *= steps_per_ms * (1.0 + slack)
            scaled += 0.5
            np.floor(scaled, out=scaled)
        valid = (scaled >= 1.0) & (scaled <= _INT32_MAX)  # False for NaN
        if not valid.all():
            bad = part[np.argmin(valid)]
            if not np.isfinite(bad):
                raise ConfigurationError(f"delay={bad} ms is not a finite number")
            if bad > h:
                raise ConfigurationError(f"delay={bad} ms exceeds {_INT32_MAX} steps of {h} ms; give a shorter delay")
            raise ConfigurationError(
                f"delay={bad} ms is less than one step of {h} ms after rounding; give delay >= {h}, "
                f"for a distribution min={h}, or a smaller resolution"
            )
        steps[start : start + _CHUNK] = scaled
    return steps.reshape(delays.shape)


def _affine(distribution: Distribution, scale: Any, offset: Any) -> Affine:
    try:
        scale, offset = float(scale), float(offset)
    except (TypeError, ValueError):
        raise TypeError("a distribution can be added to and multiplied by numbers only") from None
    if isinstance(distribution, Affine):
        return Affine(distribution.distribution, scale * distribution.scale, scale * distribution.offset + offset)
    return Affine(distribution, scale, offset)


def _fill_within_bounds(distribution: Distribution, rng: np.random.Generator, out: np.ndarray) -> None:
    distribution.fill(rng, out)
    if isinstance(distribution, (Affine, Uniform)):  # the one bounds what it wraps, the other is bounded by nature
        return
    low = -np.inf if distribution.min is None else distribution.min  # type: ignore[attr-defined]
    high = np.inf if distribution.max is None else distribution.max  # type: ignore[attr-defined]
    if low == -np.inf and high == np.inf:
        return
    outside = np.flatnonzero((out < low) | (out > high))
    for _ in range(_MAX_REDRAWS):
        if outside.size == 0:
            return
        again = np.empty(outside.size, out.dtype)
        distribution.fill(rng, again)
        out[outside] = again
        outside = outside[(again < low) | (again > high)]
    if outside.size:
        raise ConfigurationError(
            f"{distribution}: {outside.size} of {out.size} values still lie outside [{low}, {high}] "
            f"after {_MAX_REDRAWS} redraws; widen min and max, or move the distribution into them"
        )


def _check(distribution: Distribution, *, finite: tuple[str, ...], positive: tuple[str, ...] = ()) -> None:
    kind = type(distribution).__name__.lower()
    fields = {f.name: getattr(distribution, f.name) for f in dataclasses.fields(distribution)}  # type: ignore[arg-type]
    bounds = [key for key in ("min", "max") if fields.get(key) is not None]
    for key in (*finite, *bounds):
        number = fields[key]
        if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, float, np.integer, np.floating)):
            raise ConfigurationError(f"{kind}: {key}={number!r} is not a number; give one")
        if math.isnan(number) or (key in finite and math.isinf(number)):
            raise ConfigurationError(f"{kind}: {key}={number} is not a finite number; give one")
    for key in positive:
        if fields[key] <= 0:
            raise ConfigurationError(f"{kind}: {key}={fields[key]} is not positive; give {key} > 0, or a plain number")
    if len(bounds) == 2 and fields["max"] < fields["min"]:
        raise ConfigurationError(f"{kind}: max={fields['max']} is below min={fields['min']}; give min <= max")
