"""The spikes of a slice of all parts of a network: what each device tells the others, once a slice.

Inside `jax.shard_map`, each device packs the spikes of its own sources into messages of fixed length and all gather them, in as many rounds
as the device with the most spikes needs: what is sent grows with spikes, not with neurons (`gather`). Where derivatives are to come back the same way,
they gather all that might be a spike (`gather_all`), since a surrogate derivative is of every step.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnest.events.compact import nth, pack

#: spikes in a message
LENGTH = 256


def gather(mine: Any, number: Any, n_all: int, ready: Any, axis: str, *, amplitudes: bool) -> tuple[Any, Any]:
    """The spikes (L, n_all) of all parts, from those of this part, `mine` (L, n), of sources with the given `number` (n,) in the whole (-1: nobody
    hears them); and whether all parts are `ready` (a truth value). Spikes other than 0 and 1 need `amplitudes`. Not differentiable."""
    n_lags, n = mine.shape
    packed = pack(((mine != 0) & (number >= 0)[None]).ravel())
    offsets = jnp.arange(LENGTH, dtype=jnp.int32)

    def message(begin: Any) -> tuple[Any, Any]:
        place = nth(packed, jnp.minimum(begin + offsets, jnp.maximum(packed.total - 1, 0)))
        there = begin + offsets < packed.total
        where = jnp.where(there, place // n * n_all + number[place % n], n_lags * n_all)  # beyond the end: dropped
        return where, mine.ravel()[place] if amplitudes else None

    def enter(spikes: Any, where: Any, amplitude: Any) -> Any:
        values = 1.0 if amplitude is None else amplitude.ravel()
        return spikes.at[where.ravel()].set(values, mode="drop", unique_indices=True)

    def told(x: Any) -> Any:
        return None if x is None else lax.all_gather(x, axis)

    where, amplitude = message(jnp.int32(0))
    heads = told(jnp.concatenate([jnp.stack([packed.total, ready.astype(jnp.int32)]), where]))
    spikes = enter(jnp.zeros(n_lags * n_all, mine.dtype), heads[:, 2:], told(amplitude))
    most = heads[:, 0].max()

    def again(carry: tuple[Any, Any]) -> tuple[Any, Any]:
        begin, spikes = carry
        where, amplitude = message(begin)
        return begin + LENGTH, enter(spikes, told(where), told(amplitude))

    _, spikes = lax.while_loop(lambda c: c[0] < most, again, (jnp.int32(LENGTH), spikes))
    return spikes.reshape(n_lags, n_all), heads[:, 1].min() > 0


def places_of(number: Any, n_all: int, axis: str) -> Any:
    """Where the sources of the whole (n_all,) lie among those of all parts, one part after another; `number` as in `gather`."""
    numbers = lax.all_gather(number, axis, tiled=True)
    where = jnp.where(numbers >= 0, numbers, n_all)
    return jnp.zeros(n_all, jnp.int32).at[where].set(jnp.arange(numbers.shape[0], dtype=jnp.int32), mode="drop")


def gather_all(mine: Any, places: Any, axis: str) -> Any:
    """The spikes (L, n_all) of all parts, from those of this part, `mine` (L, n), at the `places` that `places_of` tells. Differentiable: each device
    sends all steps of all its sources, and gets of each the sum of the derivatives that the devices found."""
    return lax.all_gather(mine, axis, axis=1, tiled=True).at[:, places].get(mode="promise_in_bounds", unique_indices=True)


def bytes_sent(spikes: np.ndarray, amplitudes: bool, itemsize: int = 4) -> np.ndarray:
    """How many bytes a device sends in slices in which the device with the most spikes has so many."""
    rounds = np.maximum(-(-np.asarray(spikes) // LENGTH), 1)
    return rounds * LENGTH * (4 + itemsize * amplitudes) + 8
