"""Devices: generators and recorders."""

from jaxnest.devices.poisson_generator import poisson_generator
from jaxnest.devices.recorders import multimeter, spike_recorder, voltmeter, weight_recorder
from jaxnest.devices.spike_generator import spike_generator

#: every device model by NEST's name
devices = {
    model.name: model
    for model in (
        poisson_generator,
        spike_generator,
        spike_recorder,
        multimeter,
        voltmeter,
        weight_recorder,
    )
}

__all__ = ["devices", *devices]
