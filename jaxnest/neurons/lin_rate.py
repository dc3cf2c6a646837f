"""Rate neurons with a linear gain function."""

from __future__ import annotations

from typing import Any

from jaxnest.neurons._base import Neuron, Parameter, Values
from jaxnest.neurons._rate import InputNoise, OutputNoise, Transformer


class _Gain(Neuron):
    """phi(h) = g h"""

    g = Parameter(1.0, "", "gain")
    g_ex = Parameter(1.0, "", "slope of multiplicative coupling, excitatory")
    g_in = Parameter(1.0, "", "slope of multiplicative coupling, inhibitory")
    theta_ex = Parameter(0.0, "", "upper bound of multiplicative coupling")
    theta_in = Parameter(0.0, "", "lower bound of multiplicative coupling, negated")

    @staticmethod
    def gain(p: Values, h: Any) -> Any:
        return p.g * h

    @staticmethod
    def mult_ex(p: Values, rate: Any) -> Any:
        return p.g_ex * (p.theta_ex - rate)

    @staticmethod
    def mult_in(p: Values, rate: Any) -> Any:
        return p.g_in * (p.theta_in + rate)


class lin_rate_ipn(_Gain, InputNoise):
    """Rate neuron with noise in its input and a linear gain function: see `InputNoise`.

        phi(h) = g h

    With `mult_coupling` excitatory input is multiplied with g_ex (theta_ex - X), inhibitory input with g_in (theta_in + X).
    """


class lin_rate_opn(_Gain, OutputNoise):
    """Rate neuron with noise in its output and a linear gain function: see `OutputNoise`.

        phi(h) = g h

    With `mult_coupling` excitatory input is multiplied with g_ex (theta_ex - X), inhibitory input with g_in (theta_in + X).
    """


class rate_transformer_lin(_Gain, Transformer):
    """Transforms rates by a linear gain function: see `Transformer`.

    phi(h) = g h
    """
