"""Piecewise constant rate."""

from __future__ import annotations

from typing import Any

from jaxnest.devices._base import Parameter, State, Values
from jaxnest.devices._stepped import Stepped
from jaxnest.neurons._base import Env, Inputs, Neuron, Routing


class step_rate_generator(Stepped, Neuron):
    """The rate `amplitude_values[j]` from `amplitude_times[j]` to the next time, 0 before the first, sent as a signal; see `Stepped` for the times.

    The rate that is recorded at a time acts, through a delay of one step, in the step that begins then.
    """

    amplitude_values = Parameter((), "", "the rate from then on", dim="changes")
    tau_minus = tau_minus_triplet = None  # type: ignore[assignment]

    rate = State(0.0, "", "present rate, 0 where the device is not active")

    recordables = ("rate",)
    routing = Routing.NONE
    accepts_current = False
    sends = False
    emits = ("rate",)

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        return Values(rate=Stepped.value(p, k, s, env.step)[1])

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        amplitude, rate = Stepped.value(p, k, s, env.step)
        return s.replace(amplitude=amplitude, rate=rate), 0.0 * amplitude
