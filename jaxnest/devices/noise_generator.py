"""Gaussian white-noise current, piecewise constant."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxnest.devices._base import Drive, Moment, Parameter, State, Values, active, steps_of


class noise_generator(Drive):
    """A current mean + sqrt(std^2 + std_mod^2 sin(2 pi frequency t + phase)) z, each target with its own z.

    z is standard normal, drawn when the device becomes active and then every `dt`, and held in between; so the effect on
    a membrane depends on `dt`. t counts the time in which the device is active. Acts in the window of a `dc_generator`.
    """

    mean = Parameter(0.0, "pA", "mean current")
    std = Parameter(0.0, "pA", "standard deviation of the current", ge=0)
    std_mod = Parameter(0.0, "pA", "modulation of the standard deviation, at most std", ge=0)
    dt = Parameter(1.0, "ms", "time between draws", gt=0)
    frequency = Parameter(0.0, "Hz", "frequency of the modulation")
    phase = Parameter(0.0, "deg", "phase of the modulation")

    current = State(0.0, "pA", "current drawn last")
    next_draw = State(0, "steps", "the step of the next draw", dtype="int")

    kind = "current"
    per_target = True

    @staticmethod
    def check(p: Values) -> str | None:
        return Drive.check(p) or ("std_mod must not exceed std" if (p.std_mod > p.std).any() else None)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(
            window=active(p, h, after=-1),
            dt=steps_of(p.dt, h),
            angle=2e-3 * jnp.pi * p.frequency * h,
            phase=jnp.deg2rad(p.phase),
        )

    @staticmethod
    def emit(p: Values, k: Values, s: Values, m: Moment) -> tuple[Values, Any]:
        acts = k.window(m.step)
        draws = (acts > 0) & (m.step >= s.next_draw)

        def draw() -> Any:
            elapsed = m.step - jnp.maximum(k.window.first, 0) + 1
            variance = p.std**2 + p.std_mod**2 * jnp.sin(k.angle * elapsed + k.phase)
            noisy = variance > 0
            std = jnp.where(noisy, jnp.sqrt(jnp.where(noisy, variance, 1.0)), 0.0)
            return jnp.where(draws, p.mean + std * m.normal(0), s.current).astype(s.current.dtype)

        current = lax.cond(draws.any(), draw, lambda: s.current)
        s = s.replace(current=current, next_draw=jnp.where(draws, m.step + k.dt, s.next_draw))
        return s, current * acts
