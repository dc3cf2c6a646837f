"""Spikes at given times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnest._time import as_steps, steps_up
from jaxnest.devices._base import Source, Values
from jaxnest.errors import ConfigurationError


class spike_generator(Source):
    """Emits spikes at origin + `spike_times` (ms, on the grid, > 0, non-decreasing), in (start, stop].

    `spike_weights` multiply the weights of the connections, which then must be static; `spike_multiplicities` are
    numbers of coincident spikes. With `allow_offgrid_times`, times are rounded up to the grid. With n > 1 generators
    give one list for all, or a list of n lists.
    """

    options = ("spike_times", "spike_weights", "spike_multiplicities", "allow_offgrid_times")

    @classmethod
    def read_options(cls, owner: str, n: int, given: Mapping[str, Any], h: float) -> dict[str, Any]:
        times = _per_generator(owner, "spike_times", given.get("spike_times", []), n)
        weights = _per_generator(owner, "spike_weights", given.get("spike_weights"), n)
        counts = _per_generator(owner, "spike_multiplicities", given.get("spike_multiplicities"), n)
        steps, index, exact = [], [], []
        columns: dict[str, list[np.ndarray]] = {"spike_weights": [], "spike_multiplicities": []}
        for i, t in enumerate(times):
            to_steps = steps_up if given.get("allow_offgrid_times") else as_steps
            at = to_steps(f"{owner}.spike_times", t, h)
            if (at < 1).any() or (np.diff(at) < 0).any():
                raise ConfigurationError(f"{owner}.spike_times={t} must be > 0 and in order of time")
            for key, factors in (("spike_weights", weights), ("spike_multiplicities", counts)):
                factor = np.ones(len(at)) if factors is None or len(factors[i]) == 0 else factors[i]
                if len(factor) != len(at):
                    raise ConfigurationError(f"{owner}.{key} has {len(factor)} values for {len(at)} spike_times; give as many")
                if key == "spike_multiplicities" and ((factor < 0) | (factor % 1 != 0)).any():
                    raise ConfigurationError(f"{owner}.{key}={factor} must be integers >= 0")
                columns[key].append(factor)
            steps.append(at)
            exact.append(t if given.get("allow_offgrid_times") else at * h)
            index.append(np.full(len(at), i))
        return {
            "step": np.concatenate(steps).astype(np.int64),
            "time": np.concatenate(exact),
            "index": np.concatenate(index).astype(np.int32),
            "spike_weights": np.concatenate(columns["spike_weights"]),
            "count": np.concatenate(columns["spike_multiplicities"]),
            "weighted": weights is not None and any(len(w) for w in weights),
            "given": dict(given),
        }

    @staticmethod
    def leaves(options: Mapping[str, Any], p: Mapping[str, Any], h: float, dtype: Any) -> dict[str, Any]:
        origin, start, stop = (np.atleast_1d(p[name]) for name in ("origin", "start", "stop"))

        def per_spike(t: np.ndarray) -> np.ndarray:
            steps = np.clip(np.round(t / h), -(2.0**30), 2.0**30).astype(np.int64)
            return steps[options["index"] % len(steps)]

        stamp = options["step"] + per_spike(origin)
        live = (stamp > per_spike(origin + start)) & (stamp <= per_spike(origin + stop)) & (stamp < 2**30)
        order = np.flatnonzero(live)[np.argsort(stamp[live], kind="stable")]
        _, together = np.unique(stamp[order], return_counts=True)
        leaves = {
            "step": stamp[order].astype(np.int32),
            "time": (options["time"] + origin[options["index"] % len(origin)])[order].astype(dtype),
            "index": options["index"][order],
            "count": options["count"][order].astype(dtype),
            "lane": np.arange(together.max(initial=0), dtype=np.int32),  # its length: most spikes in one step
        }
        if options["weighted"]:
            leaves["spike_weights"] = options["spike_weights"][order].astype(dtype)
        return leaves

    @staticmethod
    def emit(p: Values, n: Any, count: int) -> tuple[Any, Any]:
        """Spikes at t are emitted in the step that ends at t."""
        size, stamp = p.step.shape[0], n + 1
        weighted = "spike_weights" in p
        spikes = jnp.zeros(count, p.count.dtype)
        sums = jnp.zeros(2 * count, p.count.dtype) if weighted else None
        if size == 0:
            return spikes, sums
        place = jnp.searchsorted(p.step, stamp, method="scan_unrolled").astype(jnp.int32) + p.lane
        there = place < size
        place = jnp.minimum(place, size - 1)
        now = jnp.where(there & (p.step[place] == stamp), p.count[place], 0.0)
        index = p.index[place]
        if sums is not None:
            value = now * p.spike_weights[place]
            sums = sums.at[index + jnp.where(value < 0, count, 0)].add(value)
        return spikes.at[index].add(now), sums

    @staticmethod
    def amplitudes(p: Values, first: Any, n: int, count: int, h: Any) -> tuple[Any, Any]:
        steps = p.time / h
        # a spike on the grid ends a step, though its time over h may be off by rounding
        step = jnp.ceil(lax.stop_gradient(steps) - 1e-3).astype(jnp.int32) - 1
        lag, share = step - first, steps - step
        lag = jnp.where((lag >= 0) & (lag < n), lag, 1 << 29)  # far outside: in no row
        none = jnp.zeros((n + 1, count), p.time.dtype)
        rows = none.at[lag, p.index].add(p.count * (1.0 - share), mode="drop")
        visited = none.at[lag, p.index].max(1.0, mode="drop").at[lag + 1, p.index].max(1.0, mode="drop")
        return rows.at[lag + 1, p.index].add(p.count * share, mode="drop"), visited


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
