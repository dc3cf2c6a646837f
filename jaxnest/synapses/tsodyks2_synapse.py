"""Short-term plasticity of instantaneous synaptic currents."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.synapses._base import Parameter, Pre, State, Synapse, Values


class tsodyks2_synapse(Synapse):
    r"""Short-term depression and facilitation with scaling of the resources x and the release probability u.

        from one spike to the next, h later:  x = 1 + (x - x u - 1) exp(-h / tau_rec)
                                              u = U + u (1 - U) exp(-h / tau_fac)       (u = U if tau_fac = 0)

    Each event carries ``weight u x``; the first uses x and u as they were given.

    Source: Tsodyks & Markram (1997), PNAS 94:719; Maass & Markram (2002), Neural Networks 15:155.
    """

    U = Parameter(0.5, "", "increment of the release probability, in [0, 1]", ge=0, le=1)
    tau_rec = Parameter(800.0, "ms", "time constant of recovery", gt=0)
    tau_fac = Parameter(0.0, "ms", "time constant of facilitation (0: none)", ge=0)

    x = State(1.0, "", "resources at the last spike")
    u = State(0.5, "", "release probability at the last spike", ge=0)

    @staticmethod
    def check(p: Values) -> str | None:
        return "u must be in [0, 1]" if (p.u > 1).any() else None

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any]:
        facilitates = p.tau_fac > 0
        u_decay = jnp.where(facilitates, jnp.exp(-pre.since_last / jnp.where(facilitates, p.tau_fac, 1.0)), 0.0)
        x_decay = jnp.exp(-pre.since_last / p.tau_rec)
        x = jnp.where(pre.first, s.x, 1.0 + (s.x - s.x * s.u - 1.0) * x_decay)
        u = jnp.where(pre.first, s.u, p.U + s.u * (1.0 - p.U) * u_decay)
        return s.replace(x=x, u=u), p.weight * x * u
