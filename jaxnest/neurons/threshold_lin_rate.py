"""Rate neurons with a linear gain function between thresholds."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Neuron, Parameter, Values
from jaxnest.neurons._rate import InputNoise, OutputNoise, Transformer


class _Gain(Neuron):
    """phi(h) = min(max(g (h - theta), 0), alpha)"""

    g = Parameter(1.0, "", "gain")
    theta = Parameter(0.0, "", "threshold")
    alpha = Parameter(float("inf"), "", "second threshold, of the output")

    @staticmethod
    def gain(p: Values, h: Any) -> Any:
        return jnp.minimum(jnp.maximum(p.g * (h - p.theta), 0.0), p.alpha)


class threshold_lin_rate_ipn(_Gain, InputNoise):
    """Rate neuron with noise in its input and a linear gain function between thresholds: see `InputNoise`.

    phi(h) = min(max(g (h - theta), 0), alpha)
    """


class threshold_lin_rate_opn(_Gain, OutputNoise):
    """Rate neuron with noise in its output and a linear gain function between thresholds: see `OutputNoise`.

    phi(h) = min(max(g (h - theta), 0), alpha)
    """


class rate_transformer_threshold_lin(_Gain, Transformer):
    """Transforms rates by a linear gain function between thresholds: see `Transformer`.

    phi(h) = min(max(g (h - theta), 0), alpha)
    """
