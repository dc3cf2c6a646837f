"""Sorting connections into rows, one row a source, and carrying their payload along."""

import numpy as np
import scipy.sparse

from jaxnest.errors import ConfigurationError

_CHUNK = 1 << 16  # gathers a chunk at a time: numpy widens int32 indices to 64 bits


def rows_by_source(pre: np.ndarray, n_sources: int) -> tuple[np.ndarray, np.ndarray]:
    """Stable counting sort of connections by their source.

    **Arguments:**

    - `pre`: the source of each connection, integers of shape (n,) in [0, n_sources).

    **Returns:** `(row_ptr, order)`. Row s holds the connections `order[row_ptr[s] : row_ptr[s + 1]]` in the order in
    which they were given. `row_ptr` has shape (n_sources + 1,), `order` shape (n,); both are int32 if n < 2³¹, else int64.
    """
    pre = np.asarray(pre)
    if pre.ndim != 1 or (pre.size and pre.dtype.kind not in "iu"):
        raise ConfigurationError(f"pre: shape {pre.shape}, type {pre.dtype}; give a one-dimensional array of integers")
    if pre.size == 0:
        return np.zeros(n_sources + 1, np.int32), np.zeros(0, np.int32)
    low, high = int(pre.min()), int(pre.max())
    if low < 0 or high >= n_sources:
        raise ConfigurationError(f"pre: indices reach from {low} to {high}; they must lie in [0, {n_sources})")

    # One entry a column, its row the source: turning columns into rows is the counting sort, and runs in C++.
    index = np.int32 if pre.size <= np.iinfo(np.int32).max else np.int64
    columns = scipy.sparse.csc_array(
        (np.zeros(pre.size, np.int8), pre.astype(index, copy=False), np.arange(pre.size + 1, dtype=index)),
        shape=(n_sources, pre.size),
    )
    rows = columns.tocsr()
    return rows.indptr, rows.indices


def permute(order: np.ndarray, *payloads: np.ndarray, in_place: bool = False) -> tuple[np.ndarray, ...]:
    """`payload[order]` for each payload, an array of shape (n, ...).

    With `in_place` the payloads themselves are overwritten and returned; at any time one more array is alive.
    """
    return tuple(_permute_one(order, payload, in_place) for payload in payloads)


def _permute_one(order: np.ndarray, payload: np.ndarray, in_place: bool) -> np.ndarray:
    if payload.shape[:1] != order.shape:
        raise ConfigurationError(f"payload: shape {payload.shape} does not fit {order.size} connections")
    out = np.empty_like(payload)
    for start in range(0, order.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        np.take(payload, order[part], axis=0, out=out[part], mode="clip")  # "clip" writes to `out` without a buffer
    if not in_place:
        return out
    payload[...] = out
    return payload
