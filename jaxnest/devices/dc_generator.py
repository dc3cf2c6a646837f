"""Constant current."""

from __future__ import annotations

from typing import Any

from jaxnest.devices._base import Drive, Moment, Parameter, Values, active


class dc_generator(Drive):
    """A constant current: with a delay of d it moves V in the steps that end in (start + d + h, stop + d].

    (With start = 0 the first such step ends at d + 2 h: the device cannot act before time 0.)
    """

    amplitude = Parameter(0.0, "pA", "current")

    kind = "current"
    per_target = False

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(window=active(p, h, after=-1))

    @staticmethod
    def emit(p: Values, k: Values, s: Values, m: Moment) -> tuple[Values, Any]:
        return s, p.amplitude * k.window(m.step)
