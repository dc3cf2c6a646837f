"""Surrogate derivatives of a spike: what stands for the derivative of the step function in a gradient.

All are functions of x = V - V_th in mV, with a `height` (their value at threshold, 1/mV). It is small by default: V spends
many steps of h near threshold, and the derivatives of all of them add up. With the defaults the gradient of the rate of a
recurrent network of 500 `iaf_psc_exp` neurons with respect to its drive is within a factor of two of finite differences; with a height of
1/mV, as is usual where a step is a membrane time constant long, it overflows.

The four that have the names of NEST's e-prop models (`eprop_iaf` and others: `surrogate_gradient_function`) have NEST's
default `height` 0.3 and `width` 1 mV (`surrogate_gradient_height` and `surrogate_gradient_width`).
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxnest._declare import nearest
from jaxnest.errors import ConfigurationError

Surrogate = Callable[[Any], Any]


def fast_sigmoid(slope: float = 0.5, height: float = 0.01) -> Surrogate:
    """height / (1 + slope |x|)^2, slope in 1/mV. Source: Zenke & Ganguli (2018), Neural Comput 30:1514 (SuperSpike)."""
    _check("fast_sigmoid", slope=slope, height=height)
    return lambda x: height / (1.0 + slope * jnp.abs(x)) ** 2


def triangle(width: float = 5.0, height: float = 0.01) -> Surrogate:
    """height max(0, 1 - |x| / width), width in mV. Source: Bellec et al. (2018), NeurIPS 31."""
    _check("triangle", width=width, height=height)
    return lambda x: height * jnp.maximum(0.0, 1.0 - jnp.abs(x) / width)


def arctan(width: float = 5.0, height: float = 0.01) -> Surrogate:
    """height / (1 + (pi x / width)^2), width in mV. Source: Fang et al. (2021), ICCV."""
    _check("arctan", width=width, height=height)
    return lambda x: height / (1.0 + (jnp.pi * x / width) ** 2)


def gaussian(width: float = 2.5, height: float = 0.01) -> Surrogate:
    """height exp(-(x / width)^2 / 2), width in mV. Source: Yin, Corradi & Bohte (2021), Nat Mach Intell 3:905."""
    _check("gaussian", width=width, height=height)
    return lambda x: height * jnp.exp(-0.5 * (x / width) ** 2)


def multi_gaussian(width: float = 2.5, height: float = 0.01, share: float = 0.15, scale: float = 6.0) -> Surrogate:
    """A Gaussian with negative flanks, scaled to `height` at threshold; it is negative beyond some 2 widths:

        (1 + share) N(x; 0, width) - share N(x; width, scale width) - share N(x; -width, scale width)

    N(x; m, s) is the normal density, width is in mV. Source: Yin, Corradi & Bohte (2021), Nat Mach Intell 3:905, whose
    share and scale are the defaults.
    """
    _check("multi_gaussian", width=width, height=height, share=share, scale=scale)

    def density(z: Any) -> Any:
        return jnp.exp(-0.5 * z**2)

    at_zero = 1.0 + share - 2.0 * share / scale * math.exp(-0.5 / scale**2)
    if at_zero <= 0:
        raise ConfigurationError(f"multi_gaussian: share={share} with scale={scale} is not positive at threshold")

    def derivative(x: Any) -> Any:
        u = x / width
        flanks = density((u - 1.0) / scale) + density((u + 1.0) / scale)
        return height / at_zero * ((1.0 + share) * density(u) - share / scale * flanks)

    return derivative


def boxcar(width: float = 2.5, height: float = 0.01) -> Surrogate:
    """height where |x| <= width, else 0; width in mV. Source: Bengio, Léonard & Courville (2013), arXiv:1308.3432, kept
    to a window as by Hubara et al. (2016), NeurIPS 29."""
    _check("boxcar", width=width, height=height)
    return lambda x: jnp.where(jnp.abs(x) <= width, jnp.full_like(x, height), jnp.zeros_like(x))


def straight_through(height: float = 0.01) -> Surrogate:
    """height everywhere. Source: Bengio, Léonard & Courville (2013), arXiv:1308.3432."""
    _check("straight_through", height=height)
    return lambda x: jnp.full_like(x, height)


def exponential(width: float = 1.0, height: float = 0.3) -> Surrogate:
    """height exp(-|x| / width), width in mV: NEST's ``"exponential"``, with NEST's defaults.

    Source: Shrestha & Orchard (2018), NeurIPS 31 (SLAYER).
    """
    _check("exponential", width=width, height=height)
    return lambda x: height * jnp.exp(-jnp.abs(x) / width)


def piecewise_linear(width: float = 1.0, height: float = 0.3) -> Surrogate:
    """height max(0, 1 - |x| / width), width in mV: NEST's ``"piecewise_linear"``, with NEST's defaults.

    It is what NEST 3.10 computes; its documentation divides by V_th, too. Source: Bellec et al. (2020), Nat Commun 11:3625.
    """
    return triangle(width, height)


def fast_sigmoid_derivative(width: float = 1.0, height: float = 0.3) -> Surrogate:
    """height / (1 + |x| / width)^2, width in mV: NEST's ``"fast_sigmoid_derivative"``, with NEST's defaults.

    Source: Zenke & Ganguli (2018), Neural Comput 30:1514.
    """
    _check("fast_sigmoid_derivative", width=width, height=height)
    return lambda x: height / (1.0 + jnp.abs(x) / width) ** 2


def arctan_derivative(width: float = 1.0, height: float = 0.3) -> Surrogate:
    """height / (1 + (x / width)^2), width in mV: NEST's ``"arctan_derivative"``, with NEST's defaults.

    It is what NEST 3.10 computes; its documentation has two factors of pi more. Source: Fang et al. (2021), NeurIPS 34.
    """
    _check("arctan_derivative", width=width, height=height)
    return lambda x: height / (1.0 + (x / width) ** 2)


def _check(name: str, **values: float) -> None:
    for key, value in values.items():
        if not (isinstance(value, numbers.Real) and math.isfinite(value) and value > 0):
            raise ConfigurationError(f"{name}: {key}={value!r} must be a positive number")


_BY_NAME: dict[str, Callable[[], Surrogate]] = {
    f.__name__: f
    for f in (
        fast_sigmoid,
        triangle,
        arctan,
        gaussian,
        multi_gaussian,
        boxcar,
        straight_through,
        exponential,
        piecewise_linear,
        fast_sigmoid_derivative,
        arctan_derivative,
    )
}


def surrogates() -> tuple[str, ...]:
    """The names that `Network.compile`'s `surrogate` takes."""
    return tuple(_BY_NAME)


def spike_function(surrogate: str | Surrogate, dampening: float = 1.0) -> Callable[[Any], Any]:
    """The function of x = V - V_th that is 1 where x >= 0, else 0, and whose derivative is dampening `surrogate`(x).

    `surrogate` is a name (with its default width and height) or any element-wise function.

    **Raises:** `ConfigurationError` for an unknown name, or a dampening that is no positive number.
    """
    _check("compile", dampening=dampening)
    if isinstance(surrogate, str):
        if surrogate not in _BY_NAME:
            raise ConfigurationError(f"surrogate={surrogate!r} is unknown; {nearest(surrogate, list(_BY_NAME))}")
        return _named(surrogate, float(dampening))
    if not callable(surrogate):
        raise ConfigurationError(
            f"surrogate={surrogate!r} must be a name or a function of V - V_th; {nearest('', list(_BY_NAME))}"
        )
    return _spike_function(surrogate, dampening)


@functools.cache
def _named(name: str, dampening: float) -> Callable[[Any], Any]:
    """One function a name, so that networks of one structure share what was compiled."""
    return _spike_function(_BY_NAME[name](), dampening)


def _spike_function(derivative: Surrogate, dampening: float) -> Callable[[Any], Any]:
    @jax.custom_jvp
    def fire(x: Any) -> Any:
        return (x >= 0).astype(x.dtype)

    @fire.defjvp
    def _jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        (x,), (d_x,) = primals, tangents
        slope = derivative(x)
        return fire(x), (slope if dampening == 1 else dampening * slope) * d_x

    return fire
