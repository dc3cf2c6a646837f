"""What rate neurons have in common: their dynamics. A model adds its gain function, `gain`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, Routing, State, Values


class Rate(Neuron):
    """A neuron whose rate is a function of rates: of all that it hears, summed, or (`linear_summation` false) a sum of functions of each."""

    linear_summation = Parameter(1.0, "", "whether inputs are summed before the gain function, or after it", flag=True)

    rate = State(0.0, "", "rate")

    recordables: tuple[str, ...] = ("rate",)
    routing = Routing.NONE
    accepts_current = False
    sends = False
    emits = ("rate",)
    hears = ("rate_ex", "rate_in")

    @staticmethod
    def gain(p: Values, h: Any) -> Any:
        """The gain function of an input `h` (n,)."""
        raise NotImplementedError

    @classmethod
    def heard(cls, p: Values, x: Any) -> Any:
        return jnp.where(p.linear_summation > 0, x, cls.gain(p, x))

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        return Values(rate=s.rate)


class Integrating(Rate):
    """A rate neuron with dynamics of first order, and multiplicative coupling: its inputs act the more, the farther the rate is from a bound."""

    tau = Parameter(10.0, "ms", "time constant of the rate", gt=0)
    mu = Parameter(0.0, "", "mean input")
    sigma = Parameter(1.0, "", "standard deviation of the noise", ge=0)
    mult_coupling = Parameter(0.0, "", "whether coupling is multiplicative", flag=True)

    noise = State(0.0, "", "noise of the last step")

    recordables: tuple[str, ...] = ("rate", "noise")

    @staticmethod
    def mult_ex(p: Values, rate: Any) -> Any:
        """What excitatory input is multiplied with, where coupling is multiplicative."""
        return jnp.ones_like(rate)

    @staticmethod
    def mult_in(p: Values, rate: Any) -> Any:
        """The same of inhibitory input."""
        return jnp.ones_like(rate)

    @classmethod
    def driven(cls, p: Values, rate: Any, x: Inputs) -> Any:
        """What all that the neuron hears adds to its input, at a rate (n,)."""
        ex, inh = x.signals.rate_ex, x.signals.rate_in
        multiplied = p.mult_coupling > 0
        above = jnp.where(multiplied, cls.mult_ex(p, rate), 1.0)
        below = jnp.where(multiplied, cls.mult_in(p, rate), 1.0)
        separate = above * cls.gain(p, ex) + below * cls.gain(p, inh)
        summed = jnp.where(multiplied, separate, cls.gain(p, ex + inh))
        return jnp.where(p.linear_summation > 0, summed, above * ex + below * inh)


class InputNoise(Integrating):
    r"""A rate neuron with noise in its input.

        tau dX = [-lambda X + mu + phi(sum_j w_j X_j)] dt + sqrt(tau) sigma dW

    phi is the gain function; without `linear_summation` the sum is sum_j w_j phi(X_j). With `mult_coupling` excitatory and inhibitory
    sums are apart, each multiplied with a function of X (1 but for linear models). Integrated by the stochastic exponential Euler method, inputs held over
    a step, for lambda = 0 by Euler and Maruyama's. With `rectify_output` the rate is not below `rectify_rate`.

    Source: Hahne, Dahmen, Schuecker, Frommer, Bolten, Helias & Diesmann (2017), Front Neuroinform 11:34, eqs. 2 and 9.
    """

    lambda_ = Parameter(1.0, "", "passive decay rate", ge=0)
    rectify_rate = Parameter(0.0, "", "lowest rate", ge=0)
    rectify_output = Parameter(0.0, "", "whether the rate has a lowest value", flag=True)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        decays = p.lambda_ > 0
        rate = jnp.where(decays, p.lambda_, 1.0)
        return Values(
            P1=jnp.where(decays, jnp.exp(-rate * h / p.tau), 1.0),
            P2=jnp.where(decays, -jnp.expm1(-rate * h / p.tau) / rate, h / p.tau),
            noise=jnp.sqrt(jnp.where(decays, -0.5 / rate * jnp.expm1(-2.0 * rate * h / p.tau), h / p.tau)),
        )

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        assert env.normal is not None
        noise = p.sigma * env.normal(0)
        rate = k.P1 * s.rate + k.P2 * (p.mu + cls.driven(p, s.rate, x)) + k.noise * noise
        rate = jnp.where(p.rectify_output > 0, jnp.maximum(rate, p.rectify_rate), rate)
        return s.replace(rate=rate, noise=jnp.broadcast_to(noise, rate.shape)), jnp.zeros_like(rate)


class OutputNoise(Integrating):
    r"""A rate neuron with noise in its output.

        tau dX/dt = -X + mu + phi(sum_j w_j Y_j),   Y = X + sqrt(tau) sigma xi

    where xi is white noise, constant over a step; see `InputNoise` for the rest. Y, `noisy_rate`, is what others hear.

    Source: Hahne, Dahmen, Schuecker, Frommer, Bolten, Helias & Diesmann (2017), Front Neuroinform 11:34, eqs. 3 and 10.
    """

    noisy_rate = State(0.0, "", "rate with the noise of the last step")

    recordables = ("rate", "noise", "noisy_rate")

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(P1=jnp.exp(-h / p.tau), P2=-jnp.expm1(-h / p.tau), noise=jnp.sqrt(p.tau / h))

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        assert env.normal is not None
        return Values(rate=s.rate + k.noise * p.sigma * env.normal(0))

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        assert env.normal is not None
        noise = p.sigma * env.normal(0)
        noisy = s.rate + k.noise * noise
        rate = k.P1 * s.rate + k.P2 * (p.mu + cls.driven(p, noisy, x))
        return s.replace(rate=rate, noise=jnp.broadcast_to(noise, rate.shape), noisy_rate=noisy), jnp.zeros_like(rate)


class Transformer(Rate):
    """A node that applies its gain function to what it hears, a step later: X(t + h) = phi(sum_j w_j X_j(t)), or, without
    `linear_summation`, the sum of w_j phi(X_j(t)).

    Source: Hahne, Dahmen, Schuecker, Frommer, Bolten, Helias & Diesmann (2017), Front Neuroinform 11:34.
    """

    @classmethod
    def step(cls, p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        total = x.signals.rate_ex + x.signals.rate_in
        rate = jnp.where(p.linear_summation > 0, cls.gain(p, total), total)
        return s.replace(rate=rate), jnp.zeros_like(rate)
