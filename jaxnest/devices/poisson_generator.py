"""Independent Poisson spike trains of constant rate."""

from __future__ import annotations

from typing import Any

from jaxnest.devices._base import Drive, Moment, Parameter, Values, active
from jaxnest.events import random


class poisson_generator(Drive):
    """Poisson spikes of a constant rate; every target (every connection) gets its own train.

    Acts in the steps whose right edge lies in (start + h, stop + h], as NEST's. More than one spike a step is
    possible. The derivative of the number of spikes with respect to the rate is that of its mean.
    """

    rate = Parameter(0.0, "spikes/s", "rate of each train", ge=0)

    kind = "spikes"
    per_target = True

    @staticmethod
    def constants(p: Values, h: Any) -> Values:
        return Values(table=random.poisson_table(p.rate * h * 1e-3), window=active(p, h, after=1))

    @staticmethod
    def emit(p: Values, k: Values, s: Values, m: Moment) -> tuple[Values, Any]:
        return s, m.poisson(k.table) * k.window(m.step)
