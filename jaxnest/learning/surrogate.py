"""Surrogate derivatives of a spike: what stands for the derivative of the step function in a gradient.

All are functions of x = V - V_th in mV, with a `height` (their value at threshold, 1/mV). It is small by default: V spends
many steps of h near threshold, and the derivatives of all of them add up. With the defaults the gradient of the rate of a
recurrent network of 500 `iaf_psc_exp` neurons with respect to its drive is within a factor of two of finite differences; with a height of
1/mV, as is usual where a step is a membrane time constant long, it overflows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxnest._declare import nearest
from jaxnest.errors import ConfigurationError

Surrogate = Callable[[Any], Any]


def fast_sigmoid(slope: float = 0.5, height: float = 0.01) -> Surrogate:
    """height / (1 + slope |x|)^2, slope in 1/mV. Source: Zenke & Ganguli (2018), Neural Comput 30:1514 (SuperSpike)."""
    return lambda x: height / (1.0 + slope * jnp.abs(x)) ** 2


def triangle(width: float = 5.0, height: float = 0.01) -> Surrogate:
    """height max(0, 1 - |x| / width), width in mV. Source: Bellec et al. (2018), NeurIPS 31."""
    return lambda x: height * jnp.maximum(0.0, 1.0 - jnp.abs(x) / width)


def arctan(width: float = 5.0, height: float = 0.01) -> Surrogate:
    """height / (1 + (pi x / width)^2), width in mV. Source: Fang et al. (2021), ICCV."""
    return lambda x: height / (1.0 + (jnp.pi * x / width) ** 2)


def gaussian(width: float = 2.5, height: float = 0.01) -> Surrogate:
    """height exp(-(x / width)^2 / 2), width in mV. Source: Yin, Corradi & Bohte (2021), Nat Mach Intell 3:905."""
    return lambda x: height * jnp.exp(-0.5 * (x / width) ** 2)


_BY_NAME = {"fast_sigmoid": fast_sigmoid, "triangle": triangle, "arctan": arctan, "gaussian": gaussian}


def spike_function(surrogate: str | Surrogate) -> Callable[[Any], Any]:
    """The function of x = V - V_th that is 1 where x >= 0, else 0, and whose derivative is `surrogate`(x).

    `surrogate` is a name (with its default width) or any element-wise function.

    **Raises:** `ConfigurationError` for an unknown name.
    """
    if isinstance(surrogate, str):
        if surrogate not in _BY_NAME:
            raise ConfigurationError(f"surrogate={surrogate!r} is unknown; {nearest(surrogate, list(_BY_NAME))}")
        return _named(surrogate)
    return _spike_function(surrogate)


@functools.cache
def _named(name: str) -> Callable[[Any], Any]:
    """One function a name, so that networks of one structure share what was compiled."""
    return _spike_function(_BY_NAME[name]())


def _spike_function(derivative: Surrogate) -> Callable[[Any], Any]:
    @jax.custom_jvp
    def fire(x: Any) -> Any:
        return (x >= 0).astype(x.dtype)

    @fire.defjvp
    def _jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        (x,), (d_x,) = primals, tangents
        return fire(x), derivative(x) * d_x

    return fire
