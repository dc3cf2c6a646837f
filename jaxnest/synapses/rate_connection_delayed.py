"""Coupling of rate neurons with a delay."""

from __future__ import annotations

from jaxnest.synapses.rate_connection_instantaneous import rate_connection_instantaneous


class rate_connection_delayed(rate_connection_instantaneous):
    """Carries the rate that its source had at the beginning of the step `delay` earlier; before that was, nothing.

    Source: Hahne et al. (2017), Front Neuroinform 11:34.
    """

    delayed = True
