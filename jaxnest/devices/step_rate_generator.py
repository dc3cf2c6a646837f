"""Piecewise constant rate."""

from __future__ import annotations

from typing import Any

from jaxnest.devices._base import Device, Parameter, State, Values, active, fault_in_times, steps_of, take_at
from jaxnest.neurons._base import Env, Inputs, Neuron, Routing


class step_rate_generator(Device, Neuron):
    """The rate `amplitude_values[j]` from `amplitude_times[j]` to the next time, 0 before the first, sent as a signal.

    Times (ms, absolute: not shifted by origin) are > 0 and increase; inf fills up a shorter list. They lie on the grid,
    or with `allow_offgrid_times` are rounded up to it. The rate that is recorded at a time acts, through a delay of one step, in the step
    that begins then.
    """

    amplitude_times = Parameter((), "ms", "when the rate changes", dim="changes")
    amplitude_values = Parameter((), "", "the rate from then on", dim="changes")
    tau_minus = tau_minus_triplet = None  # type: ignore[assignment]

    rate = State(0.0, "", "present rate, 0 where the device is not active")
    amplitude = State(0.0, "", "present rate")

    options = ("allow_offgrid_times",)
    recordables = ("rate",)
    routing = Routing.NONE
    accepts_current = False
    sends = False
    emits = ("rate",)

    @staticmethod
    def check(p: Values) -> str | None:
        return Device.check(p) or fault_in_times("amplitude_times", p.amplitude_times)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(window=active(p, h, after=-1), steps=steps_of(p.amplitude_times, h))

    @classmethod
    def signal(cls, p: Values, k: Values, s: Values, env: Env) -> Values:
        return Values(rate=take_at(k.steps, env.step + 1, p.amplitude_values, s.amplitude) * k.window(env.step))

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        now = take_at(k.steps, env.step + 1, p.amplitude_values, s.amplitude)
        return s.replace(amplitude=now, rate=now * k.window(env.step)), 0.0 * now
