"""NEST's time: whole tics, of which a step has a whole number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel


@dataclass(frozen=True)
class Clock:
    """`tics_per_ms`, and `tics` of a step."""

    tics_per_ms: float
    tics: int

    @classmethod
    def of(cls, kernel: Kernel) -> Clock:
        per_ms = float(kernel.settings.values["tics_per_ms"])
        return cls(per_ms, round(kernel.resolution * per_ms))

    def ms(self, steps: Any) -> Any:
        """Times (ms) of steps, to the last bit as NEST shows them."""
        return np.asarray(steps, np.int64) * self.tics * (1.0 / self.tics_per_ms)

    def nearest(self, t: Any) -> tuple[np.ndarray, np.ndarray]:
        """Times `t` (ms) to the nearest tic: in steps (rounded down), and whether that is on the grid of steps."""
        tics = np.floor(np.asarray(t, float) * self.tics_per_ms + 0.5).astype(np.int64)
        return tics // self.tics, tics % self.tics == 0

    def end_of_step(self, t: Any) -> np.ndarray:
        """The steps that end at, or first after, times `t` (ms)."""
        t = np.asarray(t, float)
        steps = np.floor(t * self.tics_per_ms).astype(np.int64) // self.tics
        return steps + (self.ms(steps) < t)
