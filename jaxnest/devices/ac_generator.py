"""Sinusoidal current."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.devices._base import Drive, Moment, Parameter, Values, active


class ac_generator(Drive):
    """The current offset + amplitude sin(2 pi frequency t + phase), in the window of a `dc_generator`.

    t is absolute: start, stop and origin only cut a window out of the sine.
    """

    amplitude = Parameter(0.0, "pA", "amplitude of the sine")
    offset = Parameter(0.0, "pA", "constant current that is added")
    frequency = Parameter(0.0, "Hz", "frequency")
    phase = Parameter(0.0, "deg", "phase at time 0")

    kind = "current"
    per_target = False

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(window=active(p, h, after=-1), angle=2e-3 * jnp.pi * p.frequency * h, phase=jnp.deg2rad(p.phase))

    @staticmethod
    def emit(p: Values, k: Values, s: Values, m: Moment) -> tuple[Values, Any]:
        sine = jnp.sin(k.angle * (m.step + 1) + k.phase)
        return s, (p.offset + p.amplitude * sine) * k.window(m.step)
