"""Piecewise constant current."""

from __future__ import annotations

from typing import Any

from jaxnest.devices._base import Drive, Moment, Parameter, Values
from jaxnest.devices._stepped import Stepped


class step_current_generator(Stepped, Drive):
    """The current `amplitude_values[j]` from `amplitude_times[j]` to the next time, 0 before the first; in the window of a `dc_generator`.
    See `Stepped` for the times."""

    amplitude_values = Parameter((), "pA", "the current from then on", dim="changes")

    kind = "current"
    per_target = False

    @staticmethod
    def emit(p: Values, k: Values, s: Values, m: Moment) -> tuple[Values, Any]:
        amplitude, current = Stepped.value(p, k, s, m.step)
        return s.replace(amplitude=amplitude), current
