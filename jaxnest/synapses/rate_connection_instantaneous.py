"""Coupling of rate neurons without delay."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Coupling, Parameter, Values


class rate_connection_instantaneous(Coupling):
    """Carries the rate of its source without delay: its value at the beginning of a step acts in that step.

    NEST finds the rates of a slice by waveform relaxation, to within ``wfr_tol``; this is what its iterations converge to.

    Source: Hahne et al. (2017), Front Neuroinform 11:34.
    """

    weight = Parameter(1.0, "", "weight")

    signal = "rate"
    delayed = False
    channels = ("rate_ex", "rate_in")

    @staticmethod
    def carried(p: Values, x: Any) -> Values:
        value = p.weight * x
        return Values(rate_ex=jnp.where(p.weight >= 0, value, 0.0), rate_in=jnp.where(p.weight < 0, value, 0.0))
