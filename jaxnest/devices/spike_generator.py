"""Spikes at given times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnest.devices._base import Source, Values
from jaxnest.errors import ConfigurationError
from jaxnest._time import as_steps


class spike_generator(Source):
    """Emits spikes at `spike_times` (ms, on the grid, > 0, non-decreasing).

    `spike_weights` multiply the weights of the connections; `spike_multiplicities` are numbers of coincident spikes.
    With n > 1 generators give one list for all, or a list of n lists. Active in (start, stop].
    """

    options = ("spike_times", "spike_weights", "spike_multiplicities")

    @staticmethod
    def read_options(owner: str, n: int, given: Mapping[str, Any], h: float) -> dict[str, Any]:
        times = _per_generator(owner, "spike_times", given.get("spike_times", []), n)
        weights = _per_generator(owner, "spike_weights", given.get("spike_weights"), n)
        counts = _per_generator(owner, "spike_multiplicities", given.get("spike_multiplicities"), n)
        steps, index, amplitude = [], [], []
        for i, t in enumerate(times):
            at = as_steps(f"{owner}.spike_times", t, h)
            if (at < 1).any() or (np.diff(at) < 0).any():
                raise ConfigurationError(f"{owner}.spike_times={t} must be > 0 and in order of time")
            amp = np.ones(len(at))
            for key, factors in (("spike_weights", weights), ("spike_multiplicities", counts)):
                if factors is None or len(factors[i]) == 0:
                    continue
                if len(factors[i]) != len(at):
                    raise ConfigurationError(
                        f"{owner}.{key} has {len(factors[i])} values for {len(at)} spike_times; give as many"
                    )
                if key == "spike_multiplicities" and ((factors[i] < 0) | (factors[i] % 1 != 0)).any():
                    raise ConfigurationError(f"{owner}.{key}={factors[i]} must be integers >= 0")
                amp = amp * factors[i]
            steps.append(at)
            index.append(np.full(len(at), i))
            amplitude.append(amp)
        step = np.concatenate(steps)
        order = np.argsort(step, kind="stable")
        return {
            "step": step[order].astype(np.int32),
            "index": np.concatenate(index)[order].astype(np.int32),
            "amplitude": np.concatenate(amplitude)[order],
            "weighted": weights is not None and any(len(w) for w in weights),
        }

    @staticmethod
    def emit(p: Values, n: Any, count: int) -> Any:
        """Amplitudes (count,) of the spikes of step `n`; spikes at t are emitted in the step that ends at t."""
        amplitude = lax.stop_gradient(p.amplitude)
        size = p.step.shape[0]
        out = jnp.zeros(count, amplitude.dtype)
        if size == 0:
            return out
        stamp = n + 1
        live = (stamp > p.start_step) & (stamp <= p.stop_step)

        def add(carry: Any) -> Any:
            j, out = carry
            return j + 1, out.at[p.index[j]].add(jnp.where(live[p.index[j] % live.shape[0]], amplitude[j], 0.0))

        def more(carry: Any) -> Any:
            j = carry[0]
            return (j < size) & (p.step[jnp.minimum(j, size - 1)] == stamp)

        begin = jnp.searchsorted(p.step, stamp, method="scan_unrolled").astype(jnp.int32)
        return lax.while_loop(more, add, (begin, out))[1]


def _per_generator(owner: str, key: str, value: Any, n: int) -> Any:
    if value is None:
        return None
    try:
        nested = len(value) > 0 and np.ndim(value[0]) > 0
        rows = [np.asarray(v, dtype=np.float64) for v in value] if nested else [np.asarray(value, dtype=np.float64)] * n
    except (TypeError, ValueError):
        raise ConfigurationError(f"{owner}.{key}={value!r} must be a list of numbers, or {n} such lists") from None
    if len(rows) != n:
        raise ConfigurationError(f"{owner}.{key} has {len(rows)} lists for {n} generators; give one each")
    for row in rows:
        if np.isnan(row).any():
            raise ConfigurationError(f"{owner}.{key} must not have NaN")
    return rows
