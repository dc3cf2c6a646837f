"""Which flags are set: a packed index of a boolean array that finds the k-th set flag without sorting."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

_BITS = 32


class Packed(NamedTuple):
    """Flags packed to 32-bit words: `before[i]` is the number of set flags before word i; `total` of all."""

    words: Any
    before: Any
    total: Any


def pack(flags: Any) -> Packed:
    """Pack boolean `flags` (n,) for `nth`. Cost: n vectorised operations and a prefix sum over n / 32 words."""
    n = flags.shape[0]
    padded = jnp.zeros(-(-n // _BITS) * _BITS, jnp.uint32).at[:n].set(flags.astype(jnp.uint32))
    shifts = jnp.arange(_BITS, dtype=jnp.uint32)
    words = jnp.sum(padded.reshape(-1, _BITS) << shifts[None], axis=1, dtype=jnp.uint32)
    counts = lax.population_count(words).astype(jnp.int32)
    ends = jnp.cumsum(counts)
    return Packed(words, ends - counts, ends[-1])


def nth(packed: Packed, k: Any) -> Any:
    """Position of the k-th set flag (from 0), for an integer or an array `k`; meaningless for k >= total.

    Two unrolled binary searches, over the words and inside one, so that it fuses into one kernel.
    """
    n_words = packed.words.shape[0]
    word = jnp.zeros_like(k)
    step = 1 << max(n_words - 1, 0).bit_length()
    while step:
        probe = word + step
        fits = (probe < n_words) & (packed.before[jnp.minimum(probe, n_words - 1)] <= k)
        word = jnp.where(fits, probe, word)
        step >>= 1
    rest = (k - packed.before[word]).astype(jnp.uint32)
    bits = packed.words[word]
    position = jnp.zeros_like(rest)
    for width in (16, 8, 4, 2, 1):
        low = lax.population_count((bits >> position) & jnp.uint32((1 << width) - 1))
        skip = rest >= low
        rest = jnp.where(skip, rest - low, rest)
        position = jnp.where(skip, position + jnp.uint32(width), position)
    return word * _BITS + position.astype(jnp.int32)
