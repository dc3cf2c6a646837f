"""What a fit returns, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxnest.errors import JaxnestError
from jaxnest.learning.fitting._history import History


@dataclass(frozen=True, eq=False)
class FitResult:
    """What `fit` found.

    - `params`: the network's, with what was learned; `values`: that alone, by path, as `Program.get` gives it.
    - `best`, `best_step`, `best_value`: the params with the least validation value, after how many steps, and the value; None
      where nothing was validated.
    - `history`: see `History`. `step`: steps done in all, those before a resume among them.
    - `stopped`: why: ``"steps"``, ``"patience"``, ``"callback"``, or ``"failed"`` (then a `FitError` has this result).
    - `seconds`, `compile_seconds`: of this call.
    """

    params: Mapping[str, Any]
    values: Mapping[str, np.ndarray]
    best: Mapping[str, Any] | None
    best_step: int | None
    best_value: float | None
    history: History
    step: int
    stopped: str
    seconds: float
    compile_seconds: float


class FitError(JaxnestError, RuntimeError):
    """A fit cannot go on: its loss, a gradient or an update is not finite, or parameters contradict each other.

    `step` counts from 0; `paths` are the parameters at fault (none, if it is the loss alone); `loss` is the step's; `checkpoint` is
    the folder of the last good checkpoint or None. `result` is what was reached: its params are those before the failed step.
    """

    def __init__(
        self, message: str, *, step: int, paths: Sequence[str], loss: float, checkpoint: Path | None, result: FitResult
    ) -> None:
        super().__init__(message)
        self.step = step
        self.paths = tuple(paths)
        self.loss = loss
        self.checkpoint = checkpoint
        self.result = result
