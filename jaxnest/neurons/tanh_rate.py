"""Rate neurons with a hyperbolic tangent as gain function."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Neuron, Parameter, Values
from jaxnest.neurons._rate import InputNoise, OutputNoise, Transformer


class _Gain(Neuron):
    """phi(h) = tanh(g (h - theta))"""

    g = Parameter(1.0, "", "gain")
    theta = Parameter(0.0, "", "threshold")

    @staticmethod
    def gain(p: Values, h: Any) -> Any:
        return jnp.tanh(p.g * (h - p.theta))


class tanh_rate_ipn(_Gain, InputNoise):
    """Rate neuron with noise in its input and a hyperbolic tangent as gain function: see `InputNoise`.

    phi(h) = tanh(g (h - theta))
    """


class tanh_rate_opn(_Gain, OutputNoise):
    """Rate neuron with noise in its output and a hyperbolic tangent as gain function: see `OutputNoise`.

    phi(h) = tanh(g (h - theta))
    """


class rate_transformer_tanh(_Gain, Transformer):
    """Transforms rates by a hyperbolic tangent as gain function: see `Transformer`.

    phi(h) = tanh(g (h - theta))
    """
