"""Counter-based random numbers: a pure function of (seed, stream, step, ident, draw) and of nothing else.

Every number is one block of Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011, SC'11), so it depends
neither on the order in which numbers are asked for, nor on how neurons are split over devices, nor on where a run was
interrupted:

    key of the draw  = threefry2x32(key of the seed, (stream, draw))       two words, once for all idents
    words            = threefry2x32(key of the draw, (ident, step))        two words for each ident

- ``stream`` tells users of random numbers apart (a device, a connection rule); any 32-bit integer.
- ``step`` counts time steps; any 32-bit integer.
- ``ident`` is the global identity of what draws (a neuron, a connection), never its place on this device; any 32-bit
  integers in an array of any shape, which is the shape of the result.
- ``draw`` in [0, 65536) tells the draws of one user apart. Distributions that need more blocks take ``draw + 65536 i``.

`threefry2x32` agrees with Random123's known answers (kat_vectors, threefry2x32 with 20 rounds):

    key 00000000 00000000  counter 00000000 00000000  ->  6b200159 99ba4efe
    key ffffffff ffffffff  counter ffffffff ffffffff  ->  1cb996fc bb002be7
    key 13198a2e 03707344  counter 243f6a88 85a308d3  ->  c4923a9c 483df7a0

It is written in plain integer operations, which XLA fuses with what uses the words.
"""

import math
import operator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_DRAWS = 1 << 16
# Poisson: the largest mean of one word's draw, its thresholds (P(X > 23 | 4) < 2^-32), terms of the tail beyond them.
_POISSON_MEAN = 4.0
_POISSON_THRESHOLDS = 24
_POISSON_TAIL = 16


def key_from_seed(seed: int) -> jax.Array:
    """The key of a seed in [0, 2^64): uint32[2], high word first.

    Raises:
      ValueError: for a seed out of range.
    """
    seed = operator.index(seed)
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be in [0, 2^64), not {seed}")
    return jax.device_put(np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32))


@jax.jit
def threefry2x32(k0: jax.Array, k1: jax.Array, c0: jax.Array, c1: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The Threefry-2x32 block cipher, 20 rounds, of counter (c0, c1) under key (k0, k1); uint32, broadcasting."""
    keys = (k0, k1, k0 ^ k1 ^ jnp.uint32(0x1BD11BDA))
    x0, x1 = c0 + k0, c1 + k1
    for group in range(1, 6):
        for distance in _ROTATIONS[(group - 1) % 2]:
            x0 = x0 + x1
            x1 = x0 ^ (x1 << jnp.uint32(distance) | x1 >> jnp.uint32(32 - distance))
        x0 = x0 + keys[group % 3]
        x1 = x1 + (keys[(group + 1) % 3] + jnp.uint32(group))
    return x0, x1


def bits(key: jax.Array, stream: Any, step: Any, ident: Any, draw: Any = 0) -> tuple[jax.Array, jax.Array]:
    """Two independent uniform 32-bit words for each ident.

    Args:
      key: uint32[2], from `key_from_seed`.
      stream: which user of random numbers; integer, usually a scalar.
      step: time step; integer, may be traced.
      ident: global identities; integers of any shape.
      draw: which of the user's draws; integer in [0, 2^32).

    Returns:
      Two uint32 arrays of ident's shape.
    """
    stream, step, ident, draw = (jnp.asarray(x).astype(jnp.uint32) for x in (stream, step, ident, draw))
    k0, k1 = threefry2x32(key[0], key[1], stream, draw)
    return threefry2x32(k0, k1, ident, step)


def uniform(key: jax.Array, stream: Any, step: Any, ident: Any, draw: Any = 0, dtype: Any = None) -> jax.Array:
    """Uniform in [0, 1): multiples of 2^-24 in float32, of 2^-53 in float64.

    Args are those of `bits`, and dtype, by default JAX's current float.
    """
    word0, word1 = bits(key, stream, step, ident, draw)
    dtype = _float_dtype(dtype)
    if dtype == jnp.float32:
        return _to_float(word0 >> 8, dtype) * 2.0**-24
    return (_to_float(word0 >> 5, dtype) * 2.0**26 + _to_float(word1 >> 6, dtype)) * 2.0**-53


def normal(key: jax.Array, stream: Any, step: Any, ident: Any, draw: Any = 0, dtype: Any = None) -> jax.Array:
    """Standard normal by Box and Muller (1958), radius and angle from one 32-bit word each; so |z| < 6.8 in any dtype.

    Args are those of `bits`, and dtype, by default JAX's current float.
    """
    word0, word1 = bits(key, stream, step, ident, draw)
    dtype = _float_dtype(dtype)
    # The halves' sum is the word plus 1/2, which keeps the radius finite; small words, the tail, keep all their digits.
    radius = jnp.sqrt(-2 * jnp.log((_to_float(word0 >> 1, dtype) * 2 + _to_float(word0 & 1, dtype) + 0.5) * 2.0**-32))
    return radius * jnp.cos(_to_float(word1 >> 1, dtype) * (2 * math.pi * 2.0**-31))


def bernoulli(p: Any, key: jax.Array, stream: Any, step: Any, ident: Any, draw: Any = 0) -> jax.Array:
    """True with probability p, rounded down to a multiple of 2^-32; p >= 1 is always True, p <= 0 and NaN never.

    Args are p, which broadcasts against ident, and those of `bits`.
    """
    word, _ = bits(key, stream, step, ident, draw)
    p = _as_float(p)
    return (word < _to_word(p)) | (p >= 1)


class PoissonTable(NamedTuple):
    """What `poisson` compares with. Made by `poisson_table`, outside the loop over time."""

    lam: jax.Array
    """Mean count of one draw."""
    thresholds: jax.Array
    """2^32 P(X > k | lam / repeats) for k = 0, 1, ...: uint32, shape (24,) + lam's shape."""
    repeats: jax.Array
    """Number of draws that are summed, ceil(lam / 4), at least 1: int32, lam's shape."""


def poisson_table(lam: Any) -> PoissonTable:
    """The table for Poisson counts of mean lam (any shape), 0 <= lam <= 262,140; elsewhere every count is NaN.

    P(X > k) is summed from its smallest term up, so its relative error is a few rounding errors of lam's dtype
    (measured: below 1e-6 in float32), and is rounded to a multiple of 2^-32.
    """
    lam = _as_float(lam)
    lam = jnp.where((lam >= 0) & (lam <= _POISSON_MEAN * (_DRAWS - 1)), lam, jnp.nan)
    mean = jnp.nan_to_num(lax.stop_gradient(lam))
    repeats = jnp.maximum(jnp.ceil(mean / _POISSON_MEAN), 1)
    mean = mean / repeats
    probabilities = [jnp.exp(-mean)]
    for k in range(1, _POISSON_THRESHOLDS + _POISSON_TAIL):
        probabilities.append(probabilities[-1] * mean / k)
    exceeding = [jnp.zeros_like(mean)]
    for probability in reversed(probabilities[1:]):
        exceeding.append(exceeding[-1] + probability)
    thresholds = jnp.stack([_to_word(p + 2.0**-33) for p in exceeding[: -_POISSON_THRESHOLDS - 1 : -1]])
    return PoissonTable(lam, thresholds, repeats.astype(jnp.int32))


def poisson(
    table: PoissonTable, key: jax.Array, stream: int, step: Any, ident: Any, draw: int = 0, *, native: bool = False
) -> jax.Array:
    """Poisson counts, as floats of the table's dtype, with derivative d count / d lam = 1 (that of the mean).

    Each word is compared with the table's thresholds; means above 4 sum as many words as they need.

    Args are the table, whose lam is (1,) or of ident's shape (n,), and those of `bits`. With `native` the same numbers
    are drawn by C++ on the CPU.
    """
    ident = jnp.asarray(ident)
    if native and ident.ndim == 1 and table.lam.shape in ((1,), ident.shape):
        out = jax.ShapeDtypeStruct(ident.shape, table.lam.dtype)
        call = jax.ffi.ffi_call("jaxnest_poisson", out, vmap_method="sequential")
        operands = (table.thresholds, table.repeats, key, jnp.asarray(step).astype(jnp.uint32), ident.astype(jnp.int32))
        count = call(*operands, stream=np.int64(stream), draw=np.int64(draw))
    else:
        count = _poisson_counts(table.thresholds, table.repeats, key, stream, step, ident, draw).astype(table.lam.dtype)
    # Adds 0, or NaN where lam is invalid, and the derivative.
    return count + (table.lam - lax.stop_gradient(table.lam))


def _poisson_counts(thresholds, repeats, key, stream, step, ident, draw):
    draw = jnp.asarray(draw).astype(jnp.uint32)
    first, _ = bits(key, stream, step, ident, draw)
    shape = jnp.broadcast_shapes(first.shape, repeats.shape)

    def count_of(word):
        return sum((jnp.broadcast_to(word < threshold, shape).astype(jnp.int32) for threshold in thresholds), 0)

    def add(i, count):
        word, _ = bits(key, stream, step, ident, draw + i.astype(jnp.uint32) * jnp.uint32(_DRAWS))
        return count + jnp.where(i < repeats, count_of(word), 0)

    return lax.fori_loop(1, jnp.max(repeats, initial=1), add, count_of(first))


def _float_dtype(dtype):
    return jnp.result_type(float) if dtype is None else jnp.dtype(dtype)


def _as_float(x):
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(_float_dtype(None))


def _to_float(word, dtype):
    """A word below 2^31 as float; through int32, whose conversion is a single vector instruction."""
    return word.astype(jnp.int32).astype(dtype)


def _to_word(p):
    """floor(2^32 p) as uint32, 0 for a negative or NaN p and at most 2^32 - 1."""
    below_one = 1 - jnp.finfo(p.dtype).epsneg
    return (jnp.where(p > 0, jnp.minimum(p, below_one), 0) * 2.0**32).astype(jnp.uint32)
