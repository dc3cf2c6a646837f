"""Rate neurons with a sigmoid gain function."""

from __future__ import annotations

from typing import Any

from jax import nn

from jaxnest.neurons._base import Neuron, Parameter, Values
from jaxnest.neurons._rate import InputNoise, Transformer


class _Gain(Neuron):
    """phi(h) = g / (1 + exp(-beta (h - theta)))"""

    g = Parameter(1.0, "", "gain")
    beta = Parameter(1.0, "", "slope")
    theta = Parameter(0.0, "", "threshold")

    @staticmethod
    def gain(p: Values, h: Any) -> Any:
        return p.g * nn.sigmoid(p.beta * (h - p.theta))


class sigmoid_rate_ipn(_Gain, InputNoise):
    """Rate neuron with noise in its input and a sigmoid gain function: see `InputNoise`.

    phi(h) = g / (1 + exp(-beta (h - theta)))
    """


class rate_transformer_sigmoid(_Gain, Transformer):
    """Transforms rates by a sigmoid gain function: see `Transformer`.

    phi(h) = g / (1 + exp(-beta (h - theta)))
    """
