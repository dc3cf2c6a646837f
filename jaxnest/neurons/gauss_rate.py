"""Rate neurons with a Gaussian gain function."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Neuron, Parameter, Values
from jaxnest.neurons._rate import InputNoise, Transformer


class _Gain(Neuron):
    """phi(h) = g exp(-(h - mu)^2 / (2 sigma^2))"""

    g = Parameter(1.0, "", "gain")
    mu = Parameter(0.0, "", "mean of the gain function, and of the input")
    sigma = Parameter(1.0, "", "width of the gain function, and standard deviation of the noise", gt=0)

    @staticmethod
    def gain(p: Values, h: Any) -> Any:
        return p.g * jnp.exp(-((h - p.mu) ** 2) / (2.0 * p.sigma**2))


class gauss_rate_ipn(_Gain, InputNoise):
    """Rate neuron with noise in its input and a Gaussian gain function: see `InputNoise`.

        phi(h) = g exp(-(h - mu)^2 / (2 sigma^2))

    As in NEST `mu` and `sigma` are those of the gain function and of the input at once.
    """


class rate_transformer_gauss(_Gain, Transformer):
    """Transforms rates by a Gaussian gain function: see `Transformer`.

    phi(h) = g exp(-(h - mu)^2 / (2 sigma^2))
    """
