"""Two ways down the loss of `recordings_model`: by its derivatives, and by CMA-ES, from the same start within the same bounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from .recordings_model import FREE, IntervalLoss

_WORTH = 0.002  # of the loss; a smaller gain ends a descent
START, LOW, HIGH, SCALE = (np.array(column) for column in zip(*FREE.values()))


class Descent(NamedTuple):
    """`x` the best parameters, `loss` theirs, `curve` of (seconds, best loss until then); seconds without those of compiling."""

    x: np.ndarray
    loss: float
    seconds: float
    compile_seconds: float
    evaluations: int
    curve: list[tuple[float, float]]

    def reached(self, loss: float) -> float | None:
        """The seconds until the loss was at most `loss`."""
        return next((seconds for seconds, value in self.curve if value <= loss), None)


def by_gradient(loss: IntervalLoss, start: np.ndarray = START, steps: int = 40) -> Descent:
    """Gauss-Newton steps in a trust region within the bounds (SciPy's `least_squares`), the Jacobian from JAX in forward mode.

    `steps` is the largest number of evaluations of the residuals.
    """
    from scipy.optimize import least_squares

    residuals, jacobian = jax.jit(loss.residuals), jax.jit(jax.jacfwd(loss.residuals))
    compile_seconds = _time(lambda: (residuals(start).block_until_ready(), jacobian(start).block_until_ready()))
    curve = _Curve()

    def evaluate(x: np.ndarray) -> np.ndarray:
        r = np.asarray(residuals(x))
        curve.add(x, 0.5 * float(r @ r))
        return r

    x, before = start, np.inf
    # At kinks of the loss (an interval ends in time or not) the region of trust shrinks to nothing: begin with a new one
    while curve.n < steps and (not np.isfinite(before) or curve.best < (1.0 - _WORTH) * before):
        before = curve.best
        least_squares(
            evaluate,
            x,
            jac=lambda x: np.asarray(jacobian(x)),
            bounds=(LOW, HIGH),
            x_scale=SCALE,
            max_nfev=steps - curve.n,
            ftol=_WORTH,
            xtol=1e-3,
        )
        x = curve.x
    return curve.descent(compile_seconds)


def by_evolution(
    loss: IntervalLoss, seed: int, seconds: float, target: float = 0.0, start: np.ndarray = START, population: int = 10
) -> Descent:
    """CMA-ES until `seconds` are over or the loss is at most `target`: a population is one compiled call, mapped over its members.

    Its first steps are as large as `FREE` says; `seed` > 0.
    """
    import cma

    evaluate = jax.jit(jax.vmap(loss))
    compile_seconds = _time(lambda: evaluate(np.tile(start, (population, 1))).block_until_ready())
    options = {
        "seed": seed,
        "popsize": population,
        "bounds": [((LOW - start) / SCALE).tolist(), ((HIGH - start) / SCALE).tolist()],
        "verbose": -9,
        "maxfevals": np.inf,
    }
    strategy, curve = cma.CMAEvolutionStrategy(np.zeros(len(start)), 0.5, options), _Curve()
    while curve.seconds() < seconds and curve.best > target and not strategy.stop():
        asked = strategy.ask()
        values = np.asarray(evaluate(start + SCALE * np.array(asked)))
        # A candidate whose simulation fails is the worst of all
        values = np.where(np.isfinite(values), values, 1e12)
        strategy.tell(asked, values.tolist())
        for x, value in zip(asked, values):
            curve.add(start + SCALE * np.asarray(x), float(value))
    return curve.descent(compile_seconds)


class _Curve:
    """The best so far, over time."""

    def __init__(self) -> None:
        self._begin, self.best, self.x = time.perf_counter(), np.inf, START
        self._points: list[tuple[float, float]] = []
        self.n = 0

    def seconds(self) -> float:
        return time.perf_counter() - self._begin

    def add(self, x: np.ndarray, value: float) -> None:
        self.n += 1
        if value < self.best:
            self.best, self.x = value, np.array(x)
            self._points.append((self.seconds(), value))

    def descent(self, compile_seconds: float) -> Descent:
        return Descent(self.x, float(self.best), self.seconds(), compile_seconds, self.n, self._points)


def _time(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin
