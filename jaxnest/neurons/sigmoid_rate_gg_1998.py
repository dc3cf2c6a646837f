"""Rate neurons with the gain function of Gancarz and Grossberg."""

from __future__ import annotations

from typing import Any

from jaxnest.neurons._base import Neuron, Parameter, Values
from jaxnest.neurons._rate import InputNoise, Transformer


class _Gain(Neuron):
    """phi(h) = (g h)^4 / (0.1^4 + (g h)^4)"""

    g = Parameter(1.0, "", "gain")

    @staticmethod
    def gain(p: Values, h: Any) -> Any:
        powered = (p.g * h) ** 4
        return powered / (0.1**4 + powered)


class sigmoid_rate_gg_1998_ipn(_Gain, InputNoise):
    """Rate neuron with noise in its input and the gain function of Gancarz and Grossberg: see `InputNoise`.

        phi(h) = (g h)^4 / (0.1^4 + (g h)^4)

    Source: Gancarz & Grossberg (1998), Neural Netw 11:1159.
    """


class rate_transformer_sigmoid_gg_1998(_Gain, Transformer):
    """Transforms rates by the gain function of Gancarz and Grossberg: see `Transformer`.

        phi(h) = (g h)^4 / (0.1^4 + (g h)^4)

    Source: Gancarz & Grossberg (1998), Neural Netw 11:1159.
    """
