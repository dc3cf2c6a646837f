"""Independent Poisson spike trains of piecewise constant rate."""

from __future__ import annotations

from typing import Any

from jaxnest.devices._base import Drive, Moment, Parameter, State, Values, active, fault_in_times, steps_of, take_at
from jaxnest.events import random


class inhomogeneous_poisson_generator(Drive):
    """Poisson spikes of the rate `rate_values[j]` from `rate_times[j]` to the next time, 0 before the first.

    Every target (every connection) gets its own train. Times (ms, absolute: not shifted by origin) are > 0 and increase;
    inf fills up a shorter list. They lie on the grid, or with `allow_offgrid_times` are rounded up to it. start and
    stop cut out the window of a `poisson_generator`. The derivative of the number of spikes is that of its mean.
    """

    rate_times = Parameter((), "ms", "when the rate changes", dim="changes")
    rate_values = Parameter((), "spikes/s", "the rate from then on", dim="changes", ge=0)

    rate = State(0.0, "spikes/s", "present rate")

    options = ("allow_offgrid_times",)
    kind = "spikes"
    per_target = True
    own_state = False

    @staticmethod
    def check(p: Values) -> str | None:
        return Drive.check(p) or fault_in_times("rate_times", p.rate_times)

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(window=active(p, h, after=1), steps=steps_of(p.rate_times, h))

    @staticmethod
    def emit(p: Values, k: Values, s: Values, m: Moment) -> tuple[Values, Any]:
        s = s.replace(rate=take_at(k.steps, m.step + 1, p.rate_values, s.rate))
        return s, m.poisson(random.poisson_table(s.rate * m.h * 1e-3 * k.window(m.step)))
