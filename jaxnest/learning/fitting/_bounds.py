"""Bounds kept by reparametrisation: what an optimiser changes freely, and the value of the parameter that it stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest.errors import ConfigurationError


@dataclass(frozen=True)
class Bounded:
    """How a parameter is learned: it stays strictly between `low` and `high`, whatever an optimiser does.

    **Arguments:**

    - `low`, `high`: in the parameter's unit; None: the model's own bound, where it has one. Infinite: no bound.
    - `keep_sign`: every value keeps the sign that it starts with, and `low`, `high` (default 0 and infinity) bound its size. A
      projection that is excitatory stays so (Dale's law). A value that starts at 0 is a connection that is not there: it stays 0.
    - `shared`: one value for all nodes or connections, else one each. What a model keeps once for all synapses is shared anyway.
    - `scale`: what counts as a large change, in the parameter's unit: an optimiser's step of 0.01 changes the parameter by about
      a hundredth of it. None: the mean distance from the bound at the start (with no bound the mean size). With both
      bounds it is their distance.
    """

    low: float | None = None
    high: float | None = None
    keep_sign: bool = False
    shared: bool = False
    scale: float | None = None


#: greater than 0
positive = Bounded(low=0.0)
#: every weight keeps its sign
dale = Bounded(keep_sign=True)


@dataclass(frozen=True, eq=False)
class Transform:
    """The way between a parameter and the free numbers, of the same shape or one for all, that an optimiser changes.

    With one bound a value is at `scale` softplus(free) from it, with two sigmoid(free) of the way from `low` to `high`, with none `scale`
    times free. `shape` is the parameter's; `sign` (its shape) multiplies the value, None: there is none.
    """

    path: str
    shape: tuple[int, ...]
    low: float
    high: float
    scale: float
    shared: bool
    sign: np.ndarray | None = None

    def free(self, value: np.ndarray) -> np.ndarray:
        """The free numbers (float64) at which the parameter has the value (as `shape`, strictly inside the bounds)."""
        if self.shared:
            value = value[..., :1]
        size = np.asarray(value, np.float64)
        if self.sign is not None:
            size = np.where(self.sign == 0, self.low + min(self.scale, 0.5 * (self.high - self.low)), size * self.sign)
        if math.isfinite(self.low) and math.isfinite(self.high):
            part = (size - self.low) / (self.high - self.low)
            return np.log(part) - np.log1p(-part)
        if math.isinf(self.low) and math.isinf(self.high):
            return size / self.scale
        away = (size - self.low if math.isfinite(self.low) else self.high - size) / self.scale
        return away + np.log(-np.expm1(-away))

    def value(self, free: Any) -> Any:
        """The parameter, differentiable: as `shape`, or (..., 1) where it is shared."""
        dtype = free.dtype
        if math.isfinite(self.low) and math.isfinite(self.high):
            size = self.low + (self.high - self.low) * jax.nn.sigmoid(free)
        elif math.isfinite(self.low):
            size = self.low + self.scale * jax.nn.softplus(free)
        elif math.isfinite(self.high):
            size = self.high - self.scale * jax.nn.softplus(free)
        else:
            size = self.scale * free
        size = jnp.clip(size, *(jnp.asarray(x, dtype) for x in inside(self.low, self.high, dtype)))
        return size if self.sign is None else jnp.asarray(self.sign, dtype) * size


def inside(low: float, high: float, dtype: Any) -> tuple[Any, Any]:
    """The least and the largest number of `dtype` strictly between the bounds, for rounding may reach a bound itself."""
    tiny = jnp.finfo(dtype).tiny  # smaller ones may be taken for 0
    first = np.nextafter(np.asarray(low, dtype), np.asarray(np.inf, dtype))
    last = np.nextafter(np.asarray(high, dtype), np.asarray(-np.inf, dtype))
    return (tiny if low == 0 else first if math.isfinite(low) else low), (
        -tiny if high == 0 else last if math.isfinite(high) else high
    )


def transform(path: str, start: np.ndarray, wanted: Bounded, own: tuple[float, float], unit: str = "") -> Transform:
    """The transform of the parameter at `path`, which begins with the values `start` (..., n); `own` are the model's bounds.

    **Raises:** `ConfigurationError` if the bounds make no sense, are wider than the model's, or a value does not lie inside.
    """
    signed = wanted.keep_sign
    default = (0.0, math.inf) if signed else own
    low, high = (float(d if given is None else given) for given, d in zip((wanted.low, wanted.high), default, strict=True))
    unit = f" {unit}" if unit else ""
    if not low < high:
        raise ConfigurationError(f"{path}: low={low:g} must be less than high={high:g}")
    if signed and low < 0:
        raise ConfigurationError(f"{path}: low={low:g}, a bound of the size where keep_sign is set, must not be negative")
    if wanted.scale is not None and not (math.isfinite(wanted.scale) and wanted.scale > 0):
        raise ConfigurationError(f"{path}: scale={wanted.scale!r} must be positive")
    if start.size == 0:
        raise ConfigurationError(f"{path}: there are no values to learn")
    if not np.isfinite(start).all():
        raise ConfigurationError(f"{path}: starts at a value that is not finite")
    if wanted.shared and (start != start[..., :1]).any():
        raise ConfigurationError(f"{path}: starts at different values, so one cannot be shared; set one, or leave shared out")
    sign = np.sign(start[..., :1] if wanted.shared else start) if signed else None
    if sign is not None and not sign.any():
        raise ConfigurationError(f"{path}: starts at 0, which has no sign to keep")
    _check_own(path, (low, high), own, sign, unit)
    size = np.asarray(start if sign is None else np.abs(start)[start != 0], np.float64)
    outside = size[(size <= low) | (size >= high)]
    if outside.size:
        raise ConfigurationError(
            f"{path}: starts at {outside[0]:g}{unit}, but must begin strictly between {low:g} and {high:g}; "
            "set another value, or give other bounds"
        )
    ends = [x for x in (low, high) if math.isfinite(x)]
    scale = wanted.scale
    if scale is None:
        scale = float(np.mean(np.abs(size - (ends[0] if ends else 0.0)))) if len(ends) < 2 else high - low
    if scale == 0:
        raise ConfigurationError(f"{path}: starts at 0, which does not tell how large it may grow; give Bounded(scale=...)")
    return Transform(path, start.shape, low, high, scale, wanted.shared, sign)


def _check_own(path: str, bounds: tuple[float, float], own: tuple[float, float], sign: np.ndarray | None, unit: str) -> None:
    """Refuse bounds that allow what the model does not."""
    low, high = bounds
    if sign is not None:
        low, high = (-high if (sign < 0).any() else low), (high if (sign > 0).any() else -low)
    if low < own[0] or high > own[1]:
        raise ConfigurationError(
            f"{path}: may be learned between {own[0]:g} and {own[1]:g}{unit} only, not between {low:g} and {high:g}{unit}"
        )
