"""Devices: generators and recorders."""

from jaxnest.devices.ac_generator import ac_generator
from jaxnest.devices.dc_generator import dc_generator
from jaxnest.devices.inhomogeneous_poisson_generator import inhomogeneous_poisson_generator
from jaxnest.devices.noise_generator import noise_generator
from jaxnest.devices.poisson_generator import poisson_generator
from jaxnest.devices.recorders import multimeter, spike_recorder, voltmeter, weight_recorder
from jaxnest.devices.spike_generator import spike_generator
from jaxnest.devices.spike_input import spike_input
from jaxnest.devices.step_current_generator import step_current_generator
from jaxnest.devices.step_rate_generator import step_rate_generator
from jaxnest.devices.volume_transmitter import volume_transmitter

#: every device model by its name, which is NEST's where NEST has it
devices = {
    model.name: model
    for model in (
        ac_generator,
        dc_generator,
        inhomogeneous_poisson_generator,
        noise_generator,
        poisson_generator,
        spike_generator,
        spike_input,
        step_current_generator,
        step_rate_generator,
        volume_transmitter,
        spike_recorder,
        multimeter,
        voltmeter,
        weight_recorder,
    )
}

__all__ = ["devices", *devices]
