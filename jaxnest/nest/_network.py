"""From the face to the functional core."""

from __future__ import annotations

from typing import Any

import jax

from jaxnest.nest._kernel import kernel
from jaxnest.nest._layout import Layout


def network() -> Any:
    """The nodes and connections so far as a `jaxnest.Network`, to be compiled, differentiated, mapped by JAX.

    Its populations are named by model and number (``iaf_psc_alpha#0``: all nodes of that model, in the order of their IDs), its
    projections likewise (``static#0``); the spike_recorder ``spikes`` records all neurons, ``states#0`` is the first multimeter.
    It begins at time 0 with the properties that nodes and connections were given: what simulating has changed since (membrane
    potentials, plastic weights) is not in it.
    """
    with jax.enable_x64(True):
        return Layout(kernel).net
