"""Coupling of `siegert_neuron`s."""

from __future__ import annotations

from typing import Any

from jaxnest.synapses._base import Coupling, Parameter, Values


class diffusion_connection(Coupling):
    """Carries the rate of a siegert_neuron without delay: times `drift_factor` to the mean, times `diffusion_factor` to the variance of the input of
    another.

    Source: Hahne et al. (2017), Front Neuroinform 11:34, eqs. 28 and 29.
    """

    drift_factor = Parameter(1.0, "", "contribution to the mean, per rate")
    diffusion_factor = Parameter(1.0, "", "contribution to the variance, per rate")

    signal = "diffusion"
    delayed = False
    weighted = False
    channels = ("drift", "diffusion")

    @staticmethod
    def carried(p: Values, x: Any) -> Values:
        return Values(drift=p.drift_factor * x, diffusion=p.diffusion_factor * x)
