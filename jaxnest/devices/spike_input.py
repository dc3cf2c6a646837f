"""Spikes given as an array: what layers that are trained read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnest._time import as_steps
from jaxnest.devices._base import Source, Values
from jaxnest.errors import ConfigurationError


class spike_input(Source):
    """Emits the spikes of an array: row k of `spikes` (n_steps, n) in step k from `origin` on, in (start, stop]; none after its end.

    A number is how many spikes there are at once; numbers that are no integers are amplitudes. The array is the parameter
    ``"name.spikes"``, which may be exchanged (for one of the same shape without a new compilation), mapped over, and differentiated with respect to. This device is
    jaxnest's own; NEST has none like it.
    """

    options = ("spikes",)

    @classmethod
    def read_options(cls, owner: str, n: int, given: Mapping[str, Any], h: float) -> dict[str, Any]:
        try:
            spikes = np.asarray(given.get("spikes", np.zeros((1, n))), dtype=np.float64)
        except (TypeError, ValueError):
            raise ConfigurationError(f"{owner}.spikes must be an array (n_steps, {n}) of numbers") from None
        if spikes.ndim != 2 or spikes.shape[1] != n or not len(spikes):
            raise ConfigurationError(f"{owner}.spikes has shape {spikes.shape}; give (n_steps, {n})")
        if not np.isfinite(spikes).all() or (spikes < 0).any():
            raise ConfigurationError(f"{owner}.spikes must be finite and >= 0")
        return {"spikes": spikes}

    @staticmethod
    def leaves(options: Mapping[str, Any], p: Mapping[str, Any], h: float, dtype: Any) -> dict[str, Any]:
        edges = {}
        for name, base in (("begin", 0.0), ("first", p["start"]), ("last", p["stop"])):
            t = np.asarray(p["origin"] + base, float)
            if t.ndim and len(np.unique(t)) > 1:
                raise ConfigurationError("spike_input: origin, start and stop must be the same for all its elements")
            edge = float(t if t.ndim == 0 else t[0])
            steps = int(as_steps("start, stop or origin", edge, h)) if np.isfinite(edge) else 2**30
            edges[name] = np.int32(min(steps, 2**30))
        return {"spikes": options["spikes"].astype(dtype), **edges}

    @staticmethod
    def emit(p: Values, n: Any, count: int) -> tuple[Any, Any]:
        row, length = n - p.begin, p.spikes.shape[0]
        inside = (row >= 0) & (row < length) & (n >= p.first) & (n < p.last)
        spikes = lax.dynamic_index_in_dim(p.spikes, jnp.clip(row, 0, length - 1), keepdims=False)
        return jnp.where(inside, spikes, 0.0), None

    @staticmethod
    def amplitudes(p: Values, first: Any, n: int, count: int, h: Any) -> tuple[Any, Any]:
        rows = spike_input.in_steps(p, first + jnp.arange(n, dtype=jnp.int32), count)
        rows = jnp.concatenate([jnp.zeros_like(rows[:1]), rows])
        return rows, jnp.ones_like(rows)
