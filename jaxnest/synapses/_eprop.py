"""What synapses with e-prop plasticity have in common: the optimiser that turns gradients into weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest.synapses._base import Parameter, State, Synapse, Values

_OPTIMIZER = Parameter(0.0, "", "what turns gradients into weights", choices=("gradient_descent", "adam"))
OPTIMIZER = ("optimizer", "batch_size", "eta", "Wmin", "Wmax", "optimize_each_step", "beta_1", "beta_2", "epsilon")


class Eprop(Synapse):
    """A synapse whose weight follows a gradient: by gradient descent, or by Adam (Kingma & Ba 2015, arXiv:1412.6980) with the
    step size eta sqrt(1 - beta_2^k) / (1 - beta_1^k). Gradients of `batch_size` updates are averaged. A step takes the `eta` that was there at the
    step before; the first one its own. Where Adam's steps were left out, they are done with gradients of 0.
    """

    optimizer = _OPTIMIZER
    batch_size = Parameter(1.0, "", "how many updates make a step of the optimiser", ge=1)
    eta = Parameter(1e-4, "", "learning rate", ge=0)
    Wmin = Parameter(-100.0, "", "smallest weight")
    Wmax = Parameter(100.0, "", "largest weight")
    optimize_each_step = Parameter(1.0, "", "whether there is an update in every step, else at every spike", flag=True)
    beta_1 = Parameter(0.9, "", "Adam: decay of the mean of gradients", ge=0, lt=1)
    beta_2 = Parameter(0.999, "", "Adam: decay of the mean of squared gradients", ge=0, lt=1)
    epsilon = Parameter(1e-7, "", "Adam: what keeps the denominator from 0", ge=0)

    weight = State(1.0, "", "weight of the last event")
    m = State(0.0, "", "Adam: mean of gradients")
    v = State(0.0, "", "Adam: mean of squared gradients")
    w = State("weight", "", "weight, as the optimiser has it")
    z = State(0.0, "", "whether a spike arrives in the next step")
    z_bar = State(0.0, "", "filtered spikes")
    slow = State(0.0, "", "slow component of the eligibility vector")
    e_bar = State(0.0, "", "filtered eligibility trace")
    gradient = State(0.0, "", "gradient for the optimiser")
    cumulative = State(0.0, "", "sum of gradients of the batch")
    optimized = State(1.0, "", "steps of the optimiser done, and 1")
    eta_current = State(-1.0, "", "learning rate of the next step (-1: `eta`)")
    beta_1_power = State(1.0, "", "Adam: beta_1 to the number of steps")
    beta_2_power = State(1.0, "", "Adam: beta_2 to the number of steps")

    whole = ("batch_size",)
    common: tuple[str, ...] = OPTIMIZER
    inner: tuple[str, ...] = (
        *("w", "z", "z_bar", "slow", "e_bar", "gradient", "cumulative", "optimized", "eta_current"),
        *("beta_1_power", "beta_2_power"),
    )

    @classmethod
    def configured(cls, given: Mapping[str, Any]) -> tuple[type[Synapse], dict[str, Any]]:
        return cls, {key: _OPTIMIZER.chosen(value) if key == "optimizer" else value for key, value in given.items()}

    @staticmethod
    def check(p: Values) -> str | None:
        if (p.Wmin > p.Wmax).any():
            return "Wmin must not be greater than Wmax"
        return "weight must be in [Wmin, Wmax]" if ((p.weight < p.Wmin) | (p.weight > p.Wmax)).any() else None


#: what the optimiser reads and writes
_ITS_OWN = ("w", "m", "v", "gradient", "cumulative", "optimized", "eta_current", "beta_1_power", "beta_2_power")


def optimized(p: Values, s: Values, due: Any, update: Any) -> Values:
    """Synapses after the update of that number where one is `due`, which uses the gradient up."""
    own = Values({key: s[key] for key in _ITS_OWN})
    update = jnp.broadcast_to(jnp.asarray(update, s.w.dtype), s.w.shape)
    own, due, update = lax.optimization_barrier(
        (own, due, update)
    )  # else XLA computes what they come from once for each of them
    new = lax.cond(due.any(), lambda own: _updated(p, own, due, update), lambda own: own, own)
    return s.replace(**new)


def _updated(p: Values, s: Values, due: Any, update: Any) -> Values:
    cumulative = s.cumulative + jnp.where(due, s.gradient, 0.0)
    upto = jnp.where(due, 1.0 + jnp.floor(update / p.batch_size), 0.0)
    ready = s.optimized < upto
    eta = jnp.where(s.eta_current < 0, p.eta, s.eta_current)
    mean = cumulative / p.batch_size
    adam = p.optimizer > 0
    descended = s.replace(w=jnp.where(ready & ~adam, s.w - eta * mean, s.w))
    w, m, v, power_1, power_2 = _adam(p, descended, ready & adam, upto, eta, mean)
    new = {
        "m": m,
        "v": v,
        "w": jnp.where(ready, jnp.clip(w, p.Wmin, p.Wmax), s.w),
        "beta_1_power": power_1,
        "beta_2_power": power_2,
        "cumulative": jnp.where(ready, 0.0, cumulative),
        "optimized": jnp.where(ready, upto, s.optimized),
        "eta_current": jnp.where(ready, p.eta, s.eta_current),
        "gradient": jnp.where(due, 0.0, s.gradient),
    }
    return s.replace(**new)


def _adam(p: Values, s: Values, which: Any, upto: Any, eta: Any, gradient: Any) -> tuple[Any, ...]:
    """Adam's steps at those synapses `which` need them, up to the number `upto`."""

    def more(c: Any) -> Any:
        return (which & (c[0] < upto)).any()

    def one(c: Any) -> Any:  # of one array, which XLA compiles to one loop
        done, gradient, w, m, v, power_1, power_2 = c
        power_1, power_2 = power_1 * p.beta_1, power_2 * p.beta_2
        size = eta * jnp.sqrt(1.0 - power_2) / (1.0 - power_1)
        m = p.beta_1 * m + (1.0 - p.beta_1) * gradient
        v = p.beta_2 * v + (1.0 - p.beta_2) * gradient * gradient
        w = w - size * m / (jnp.sqrt(v) + p.epsilon)
        new = jnp.stack([done + 1.0, jnp.zeros_like(gradient), w, m, v, power_1, power_2])
        return jnp.where((which & (done < upto))[None], new, c)

    begin = jnp.stack([s.optimized, gradient, s.w, s.m, s.v, s.beta_1_power, s.beta_2_power])
    return tuple(lax.while_loop(more, one, begin)[2:])
