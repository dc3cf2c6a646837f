"""Arrays of values that are one for all connections or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def at(value: np.ndarray, rows: Any) -> np.ndarray:
    value = np.asarray(value)
    return value[rows] if value.ndim else value


def unsigned(delay: np.ndarray) -> np.ndarray:
    """Delays in the smallest unsigned type that holds them."""
    delay = np.atleast_1d(delay)
    return delay.astype(np.min_scalar_type(int(delay.max(initial=1))))


def concat(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def slice_if_consecutive(index: np.ndarray) -> Any:
    """A slice where the indices are consecutive, so that no gather is needed."""
    if len(index) and (np.diff(index) == 1).all():
        return slice(int(index[0]), int(index[-1]) + 1)
    return index
