"""Short-term plasticity with a synaptic current of finite duration."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.events.propagators import exp_propagators
from jaxnest.synapses._base import Parameter, Pre, State, Synapse, Values


class tsodyks_synapse(Synapse):
    r"""Short-term depression and facilitation: resources are recovered (x), active (y) or inactive (z = 1 - x - y).

        dx/dt = z / tau_rec,   dy/dt = -y / tau_psc,   du/dt = -u / tau_fac        (u = 0 after a spike if tau_fac = 0)
        at a spike:  u += U (1 - u),   then x -= u x and y += u x

    The event carries ``weight u x`` with the new u and the old x. `tau_psc` should equal the time constant of the
    target's synaptic current.

    Source: Tsodyks, Uziel & Markram (2000), J Neurosci 20:RC50.
    """

    tau_psc = Parameter(3.0, "ms", "time constant of the synaptic current", gt=0)
    tau_fac = Parameter(0.0, "ms", "time constant of facilitation (0: none)", ge=0)
    tau_rec = Parameter(800.0, "ms", "time constant of recovery", gt=0)
    U = Parameter(0.5, "", "increment of the release probability, in [0, 1]", ge=0, le=1)

    x = State(1.0, "", "recovered resources after the last spike")
    y = State(0.0, "", "active resources after the last spike")
    u = State(0.0, "", "release probability after the last spike", ge=0)

    @staticmethod
    def check(p: Values) -> str | None:
        if (p.x + p.y > 1).any():
            return "x + y must not exceed 1"
        return "u must be in [0, 1]" if (p.u > 1).any() else None

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        h = pre.since_last
        facilitates = p.tau_fac > 0
        Puu = jnp.where(facilitates, jnp.exp(-h / jnp.where(facilitates, p.tau_fac, 1.0)), 0.0)
        Pyy = jnp.exp(-h / p.tau_psc)
        Pzz = jnp.expm1(-h / p.tau_rec)
        # resources that went from y through z to x; the closed form is 0/0 at tau_psc = tau_rec
        Pxy = -jnp.expm1(-h / p.tau_psc) - exp_propagators(h, p.tau_rec, p.tau_psc, 1.0) / p.tau_psc
        u = s.u * Puu
        x = s.x + Pxy * s.y - Pzz * (1.0 - s.x - s.y)
        y = s.y * Pyy
        u = u + p.U * (1.0 - u)
        released = u * x
        return s.replace(x=x - released, y=y + released, u=u), p.weight * released
