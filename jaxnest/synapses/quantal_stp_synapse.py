"""Short-term plasticity with release sites that succeed or fail at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest.synapses._base import Parameter, Pre, State, Synapse, Values


class quantal_stp_synapse(Synapse):
    r"""Of n release sites, a hold a vesicle; each of these releases it at a spike with probability u.

        from one spike to the next, h later:  u = U + u (1 - U) exp(-h / tau_fac)       (u = U if tau_fac = 0)
                                              an empty site recovers with probability 1 - exp(-h / tau_rec)

    Each event carries `weight` times the number of sites that release; if none does, the spike is lost. The first spike
    uses u and a as they were given. Derivatives are those of the mean numbers.

    Source: Fuhrmann, Segev, Markram & Tsodyks (2002), J Neurophysiol 87:140; Loebel et al. (2009), Front Comput
    Neurosci 3:27; Maass & Markram (2002), Neural Networks 15:155.
    """

    U = Parameter(0.5, "", "increment of the release probability, in [0, 1]", ge=0, le=1)
    tau_rec = Parameter(800.0, "ms", "time constant of recovery", gt=0)
    tau_fac = Parameter(0.0, "ms", "time constant of facilitation (0: none)", ge=0)
    n = Parameter(1.0, "", "number of release sites", ge=0)

    u = State(0.5, "", "release probability at the last spike", ge=0)
    a = State(1.0, "", "sites with a vesicle after the last spike", ge=0)

    stochastic = True
    whole = ("n", "a")

    @staticmethod
    def check(p: Values) -> str | None:
        return "u must be in [0, 1]" if (p.u > 1).any() else None

    @staticmethod
    def on_pre(p: Values, s: Values, pre: Pre) -> tuple[Values, Any, Any]:
        draw = pre.draw
        assert draw is not None
        facilitates = p.tau_fac > 0
        u_decay = jnp.where(facilitates, jnp.exp(-pre.since_last / jnp.where(facilitates, p.tau_fac, 1.0)), 0.0)
        u = jnp.where(pre.first, s.u, p.U + s.u * (1.0 - p.U) * u_decay)
        empty = jnp.where(pre.first, 0.0, p.n - s.a)
        a = s.a + _binomial(empty, -jnp.expm1(-pre.since_last / p.tau_rec), lambda k: draw(2 * k + 1))
        released = _binomial(a, u, lambda k: draw(2 * k + 2))
        return s.replace(u=u, a=a - released), p.weight * released, (released > 0.0).astype(released.dtype)


def _binomial(n: Any, p: Any, draw: Callable[[Any], Any]) -> Any:
    """How many of `n` (none if n < 0) succeed with probability `p` each, by the random numbers `draw(k)`, k < n."""
    tries, chance = lax.stop_gradient((n, p))

    def one(k: Any, found: Any) -> Any:
        return found + ((k < tries) & (draw(k) < chance))

    most = jnp.max(tries, initial=0.0).astype(jnp.int32)
    found = lax.fori_loop(0, most, one, jnp.zeros_like(n * p))
    mean = jnp.where(n > 0.0, n * p, 0.0)
    return found + (mean - lax.stop_gradient(mean))
