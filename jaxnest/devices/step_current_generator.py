"""Piecewise constant current."""

from __future__ import annotations

from typing import Any

from jaxnest.devices._base import Drive, Moment, Parameter, State, Values, active, fault_in_times, steps_of, take_at


class step_current_generator(Drive):
    """The current `amplitude_values[j]` from `amplitude_times[j]` to the next time, 0 before the first.

    Times (ms, absolute: not shifted by origin) are > 0 and increase; inf fills up a shorter list. They lie on the grid,
    or with `allow_offgrid_times` are rounded up to it. start and stop cut out the window of a `dc_generator`.
    """

    amplitude_times = Parameter((), "ms", "when the current changes", dim="changes")
    amplitude_values = Parameter((), "pA", "the current from then on", dim="changes")

    amplitude = State(0.0, "pA", "present current")

    options = ("allow_offgrid_times",)
    kind = "current"
    per_target = False

    @staticmethod
    def check(p: Values) -> str | None:
        return Drive.check(p) or fault_in_times("amplitude_times", p.amplitude_times)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(window=active(p, h, after=-1), steps=steps_of(p.amplitude_times, h))

    @staticmethod
    def emit(p: Values, k: Values, s: Values, m: Moment) -> tuple[Values, Any]:
        s = s.replace(amplitude=take_at(k.steps, m.step + 1, p.amplitude_values, s.amplitude))
        return s, s.amplitude * k.window(m.step)
