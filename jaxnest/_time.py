"""Times in steps of the resolution, exactly where that lies on NEST's grid of 1 µs tics."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxnest.errors import ConfigurationError

TICS_PER_MS = 1000


def as_steps(what: str, t: Any, h: float) -> np.ndarray:
    """Times `t` (ms) in steps of `h`, as int64.

    **Raises:** `ConfigurationError` for a time that is no multiple of `h`, not finite, or beyond the range.
    """
    t = np.asarray(t, dtype=np.float64)
    if not np.isfinite(t).all():
        raise ConfigurationError(f"{what}={t} must be finite")
    steps = np.round(_in_steps(t, h)).astype(np.int64)
    off = np.abs(t - steps * h) > 1e-6 * np.maximum(1.0, np.abs(t)) * h + 1e-9
    if off.any():
        bad = float(t[off].flat[0]) if t.ndim else float(t)
        raise ConfigurationError(
            f"{what}={bad!r} ms is no multiple of the resolution h={h:g} ms; use {round(bad / h) * h:g} ms"
        )
    return steps


def _in_steps(t: np.ndarray, h: float) -> np.ndarray:
    tics = round(h * TICS_PER_MS)
    return t * TICS_PER_MS / tics if tics and abs(tics - h * TICS_PER_MS) < 1e-6 else t / h


def steps_up(what: str, t: Any, h: float) -> np.ndarray:
    """Times `t` (ms) in steps of `h`, as int64, rounded up to the end of the step in which they lie.

    **Raises:** `ConfigurationError` for a time that is not finite.
    """
    t = np.asarray(t, dtype=np.float64)
    if not np.isfinite(t).all():
        raise ConfigurationError(f"{what}={t} must be finite")
    steps = _in_steps(t, h)
    near = np.round(steps)
    return np.where(np.abs(steps - near) <= 1e-9 * np.maximum(1.0, np.abs(steps)), near, np.ceil(steps)).astype(np.int64)
