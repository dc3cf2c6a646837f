"""Resets attached and detached, and dampened surrogates: gradients against a loop over steps written out."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnest as jn
from jaxnest import learning

CURRENT, STEPS = 1.7, 40


def written_out(current, reset, dampening):
    fire = learning.spike_function(learning.fast_sigmoid(1.0, 0.2), dampening)
    decay = np.exp(-0.1)
    potential, spikes = jnp.zeros(()), []
    for _ in range(STEPS):
        potential = potential * decay + current * (1 - decay)
        spike = fire(potential - 1.0)
        at_reset = jax.lax.stop_gradient(spike) if reset == "detached" else spike
        potential = potential * (1 - at_reset) + 0.1 * at_reset
        spikes.append(spike)
    return (jnp.stack(spikes) * jnp.arange(1.0, STEPS + 1)).sum()


@pytest.mark.parametrize("dampening", [1.0, 0.4])
@pytest.mark.parametrize("reset", ["detached", "attached"])
def test_derivatives_through_resets(reset, dampening, x64):
    net = jn.Network(h=1.0)
    at = {"E_L": 0.0, "V_m": 0.0, "V_reset": 0.1, "V_th": 1.0, "tau_m": 10.0, "C_m": 10.0, "t_ref": 0.0, "I_e": CURRENT}
    cell = net.create("iaf_psc_delta", name="c", **at)
    recorder = net.create("spike_recorder", name="r")
    net.connect(cell, recorder)
    program = net.compile(surrogate=learning.fast_sigmoid(1.0, 0.2), reset=reset, dampening=dampening)

    def late_spikes(current):
        params = program.set(program.params, {"c.I_e": current})
        record = program.simulate(params, program.connections, program.init(params), float(STEPS))[1]
        return (record.spikes["r"][:, 0] * jnp.arange(1.0, STEPS + 1)).sum()

    found = jax.value_and_grad(late_spikes)(CURRENT)
    np.testing.assert_allclose(found, jax.value_and_grad(written_out)(CURRENT, reset, dampening), rtol=1e-10)


def test_an_unknown_reset_is_refused():
    with pytest.raises(jn.ConfigurationError, match="attached"):
        jn.Network().compile(reset="subtract")
