"""The state of a fit: what the optimiser changes, what was measured, and how both are kept and brought back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxnest._checkpoint import Checkpoints, as_arrays, digest, from_arrays
from jaxnest.errors import ConfigurationError
from jaxnest.learning.fitting._bounds import Transform
from jaxnest.learning.fitting._history import Log
from jaxnest.learning.fitting._paths import free_from, params_from
from jaxnest.learning.fitting._result import FitResult
from jaxnest.learning.fitting._step import owned, where_of

_LOG = "log:"


def settings(params: Any, found: Mapping[str, Transform], seed: int) -> dict[str, Any]:
    """What must be the same in a fit that goes on from a checkpoint."""
    bounds = {path: repr((t.low, t.high, t.scale, t.shared, t.sign is not None)) for path, t in found.items()}
    return {"format": 1, "seed": int(seed), "parameters": bounds, "start": digest(params)}


class Descent:
    """Where a fit stands: `free` numbers by path, the optimiser's state, steps done, measurements, and the best validation."""

    def __init__(
        self, program: Any, params: Any, found: Mapping[str, Transform], optimiser: Any, facts: Mapping[str, Any]
    ) -> None:
        self.program = program
        self.params = params
        self.found = found
        self.optimiser = optimiser
        self.facts = facts
        self.where = where_of(params)
        self.free = owned(free_from(found, program, params), self.where)
        self.opt = owned(optimiser.init(self.free), self.where)
        self.step = 0
        self.log = Log()
        self.best: Any = None
        self.best_value, self.best_step, self.stale = math.inf, 0, 0

    def watch(self, value: float) -> bool:
        """Note a validation value; whether it is finite."""
        if not math.isfinite(value):
            return False
        self.log.add({"validation": value, "validated": self.step})
        if value < self.best_value:
            self.best, self.best_value, self.best_step, self.stale = owned(self.free), value, self.step, 0
        else:
            self.stale += 1
        return True

    def values(self) -> dict[str, Any]:
        """The learned values by path, those that are shared as (..., 1)."""
        return {path: t.value(self.free[path]) for path, t in self.found.items()}

    def current(self) -> Any:
        """The network's parameters as they are now."""
        return params_from(self.found, self.program, self.params, self.free)

    def save(self, kept: Checkpoints) -> None:
        """Keep all that the fit needs to go on, as it is now."""
        watched = (np.float64(self.best_value), np.int64(self.best_step), np.int64(self.stale))
        arrays = {
            **as_arrays("parameters", self.free),
            **as_arrays("optimiser", self.opt),
            **as_arrays("watched", watched),
            **as_arrays("best", self.best),
            **{_LOG + name: x for name, x in self.log.arrays().items()},
        }
        kept.save(self.step, arrays, self.facts)

    def restore(self, kept: Checkpoints) -> None:
        """Go on from the last checkpoint.

        **Raises:** `ConfigurationError` if it is that of another fit.
        """
        facts = kept.facts()
        for name, mine in self.facts.items():
            if facts.get(name) != mine:
                what = {"start": "other parameters at the start"}.get(name, f"{name}={facts.get(name)!r}, this fit {mine!r}")
                raise ConfigurationError(
                    f"checkpoint={str(kept.folder)!r} is of another fit: it has {what}; give another folder"
                )
        arrays = kept.arrays()
        self.free = owned(from_arrays("parameters", arrays, self.free), self.where)
        self.opt = owned(from_arrays("optimiser", arrays, self.opt), self.where)
        if "best:0" in arrays:
            self.best = from_arrays("best", arrays, self.free)
        value, step, stale = (arrays[f"watched:{i}"] for i in range(3))
        self.best_value, self.best_step, self.stale = float(value), int(step), int(stale)
        self.log = Log.of({name.removeprefix(_LOG): x for name, x in arrays.items() if name.startswith(_LOG)})
        self.step = int(kept.latest or 0)

    def result(self, stopped: str, seconds: float, compile_seconds: float) -> FitResult:
        """What was reached."""
        params, best = self.current(), None
        if self.best is not None:
            best = params_from(self.found, self.program, self.params, self.best)
        return FitResult(
            params=params,
            values={path: np.asarray(self.program.get(params, path)) for path in self.found},
            best=best,
            best_step=None if best is None else self.best_step,
            best_value=None if best is None else self.best_value,
            history=self.log.history(),
            step=self.step,
            stopped=stopped,
            seconds=seconds,
            compile_seconds=compile_seconds,
        )


def silent(descent: Descent) -> list[str]:
    """The paths whose gradient was 0 in every step."""
    gradients = descent.log.history().gradients
    return [path for path, norms in gradients.items() if len(norms) and not norms.any()]
