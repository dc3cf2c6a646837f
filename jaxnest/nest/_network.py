"""From the face to the functional core."""

from __future__ import annotations

from typing import Any

import jax

from jaxnest.nest._engine import Engine
from jaxnest.nest._kernel import kernel


def network() -> Any:
    """The nodes and connections so far as a `jaxnest.Network`, to be compiled, differentiated, mapped by JAX.

    Its populations are named by model and number (``iaf_psc_alpha#0``: all nodes of that model, in the order of their IDs), its
    projections likewise (``static#0``); the spike_recorder ``spikes`` records all neurons, ``states#0`` is the first multimeter.
    It begins at time 0 with the properties that nodes and connections have now.
    """
    with jax.enable_x64(True):
        return Engine(kernel, simulate=False).net
