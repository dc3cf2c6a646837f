"""Connections that carry continuous signals: what NEST lets be connected, and set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.devices._base import Device
from jaxnest.nest._device_rules import impossible
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._models import NodeModel, SynapseModel
from jaxnest.neurons._base import Neuron
from jaxnest.synapses import rate_connection_delayed
from jaxnest.synapses._base import Coupling

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel
    from jaxnest.nest._ledger import Batch

#: what NEST's messages say to a delay, and how they call what a model carries
_NO_DELAY = {
    "gap_junction": "gap_junction connection has no delay",
    "rate_connection_instantaneous": "rate_connection_instantaneous has no delay. Please use rate_connection_delayed.",
}
_CARRIED = {
    "diffusion_connection": "diffusion",
    "eprop_learning_signal_connection": "learning signal",
    "eprop_learning_signal_connection_bsshslm_2020": "learning signal",
    "gap_junction": "gap junction",
    "rate_connection_delayed": "delayed rate",
    "rate_connection_instantaneous": "instantaneous rate",
    "sic_connection": "slow inward current",
}


class rate_connection_ahead(rate_connection_delayed):
    """Carries the rate of a device, a step earlier than by its delay."""

    lead = 1


def ahead(kernel: Kernel, batch: Batch, places: np.ndarray) -> np.ndarray:
    """Which connections of a batch are `rate_connection_ahead`: NEST hands the rates of devices on at once. A readout that is older than
    the device has been advanced by then, and hears it in its next step."""
    out = np.zeros(len(places), bool)
    if not issubclass(batch.model.core, Coupling):
        return out
    pre, post = batch.pre[places], batch.post[places]
    for block, here, _ in kernel.blocks_of(pre):
        out[here] = issubclass(block.model.core, Device)
    for block, here, _ in kernel.blocks_of(post):
        out[here] &= (pre[here] < post[here]) | (not block.model.core.teaches)
    return out


def delays_ahead(kernel: Kernel, batch: Batch, places: np.ndarray) -> np.ndarray:
    """The delays (ms) of such connections. NEST writes the rates of a slice into buffers as if they had come a slice (the shortest delay) before.
    Neurons that are older than the device have read them by then, and do so again when the buffer comes round: a slice and the longest delay later.

    **Raises:** `NotImplemented` where that would be the case for a part of a slice.
    """
    delay = np.broadcast_to(batch.delay, len(batch))[places]
    shortest, longest = kernel.min_delay, kernel.max_delay
    late = (batch.pre[places] > batch.post[places]) & (delay < 2 * shortest - 1e-9)
    if (late & (delay > shortest + 1e-9)).any():
        raise NESTErrors.NotImplemented(
            "Rates of a device to older neurons, with a delay between the shortest and twice that: jaxnest does not have NEST's "
            "order of events; create the device before the neurons"
        )
    return np.where(late, delay + longest, delay - shortest) + kernel.resolution


def check_coupled(model: SynapseModel, given: Mapping[str, Any]) -> None:
    """**Raises:** `BadProperty` for a weight or a delay `given` to a model that has none."""
    core = model.core
    if not issubclass(core, Coupling):
        return
    if "delay" in given and not core.delayed:
        raise NESTErrors.BadProperty(_NO_DELAY.get(core.name, f"{core.name} has no delay."))
    if "weight" in given and not core.weighted:
        raise NESTErrors.BadProperty("Please use the parameters drift_factor and diffusion_factor to specifiy the weights.")


def check_ends(pre: NodeModel, post: NodeModel, model: SynapseModel) -> None:
    """**Raises:** `IllegalConnection` if `pre` does not send, or `post` does not hear, what connections of the model carry."""
    core = model.core
    assert issubclass(core, Coupling)
    if not issubclass(pre.core, Neuron) or core.signal not in pre.core.emits:
        raise impossible(f"The source node does not support {_CARRIED[core.name]} output.")
    ports = post.core.signal_ports.get(core.signal, ()) if issubclass(post.core, Neuron) else ()
    instant = not core.delayed and (ports or pre.core.emits_new)
    if instant or not issubclass(post.core, Neuron) or not (ports or set(core.channels) <= set(post.core.hears)):
        raise impossible(f"The target node or synapse model does not support {_CARRIED[core.name]} input.")


def check_symmetric(model: SynapseModel, spec: Mapping[str, Any], rule: str, both_ways: bool, same: bool) -> None:
    """**Raises:** `BadProperty` if connections of a model that goes both ways would not."""
    if not (issubclass(model.core, Coupling) and model.core.symmetric) or both_ways:
        return
    plain = all(np.isscalar(value) for value in spec.values())
    if rule == "all_to_all" and same and plain:
        return
    raise NESTErrors.BadProperty(
        'Connections with this synapse model can only be created as one-to-one connections with "make_symmetric" set to true or as '
        "all-to-all connections with equal source and target populations and default or scalar parameters."
    )


def unset(model: SynapseModel) -> set[str]:
    """The columns that connections of a model do not have."""
    core = model.core
    assert issubclass(core, Coupling)
    return {key for key, has in (("delay", core.delayed), ("weight", core.weighted)) if not has}
