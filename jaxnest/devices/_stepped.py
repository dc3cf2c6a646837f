"""What generators of a value that changes at given times have in common."""

from __future__ import annotations

from typing import Any

from jaxnest.devices._base import Device, Parameter, State, Values, active, fault_in_times, steps_of, take_at


class Stepped(Device):
    """Has the value `amplitude_values[j]` from `amplitude_times[j]` to the next time, 0 before the first.

    Times (ms, absolute: not shifted by origin) are > 0 and increase; inf fills up a shorter list. They lie on the grid, or with
    `allow_offgrid_times` are rounded up to it. start and stop cut out a window.
    """

    amplitude_times = Parameter((), "ms", "when the value changes", dim="changes")

    amplitude = State(0.0, "", "present value")

    options = ("allow_offgrid_times",)

    @staticmethod
    def check(p: Values) -> str | None:
        return Device.check(p) or fault_in_times("amplitude_times", p.amplitude_times)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(window=active(p, h, after=-1), steps=steps_of(p.amplitude_times, h))

    @staticmethod
    def value(p: Values, k: Values, s: Values, step: Any) -> tuple[Any, Any]:
        """The value in a step, and the same in the window, 0 outside."""
        now = take_at(k.steps, step + 1, p.amplitude_values, s.amplitude)
        return now, now * k.window(step)
