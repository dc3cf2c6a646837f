"""What a NodeCollection is made from, which places an index picks, and how a collection is printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnest.nest._errors import NESTErrors

if TYPE_CHECKING:
    from jaxnest.nest._ledger import Block


def ids_from(data: Any, size: int) -> np.ndarray:
    """The IDs (n,) int64 in a list, range, set or array of whole numbers; there are `size` nodes.

    **Raises:** `TypeError` for what is no list of whole numbers, `BadProperty` for IDs that are not sorted or not unique,
    `UnknownNode` for a node that does not exist.
    """
    if isinstance(data, str | bytes) or not np.iterable(data):
        raise TypeError("NodeCollection must be created from a sequence or range of node IDs")
    ids = np.asarray(data if isinstance(data, np.ndarray) else list(data))
    if ids.size == 0:
        return np.zeros(0, np.int64)
    if ids.dtype.kind not in "iuf" or ids.ndim != 1 or (ids.dtype.kind == "f" and (ids % 1 != 0).any()):
        raise TypeError("NodeCollection must be created from a sequence or range of node IDs (integers)")
    ids = ids.astype(np.int64)
    if (np.diff(ids) < 0).any():
        raise NESTErrors.BadProperty("Indices must be sorted in ascending order")
    if (np.diff(ids) == 0).any():
        raise NESTErrors.BadProperty("All node IDs in a NodeCollection have to be unique")
    unknown = ids[(ids < 1) | (ids > size)]
    if len(unknown):
        raise NESTErrors.UnknownNode(f"Node with id {unknown[0]} does not exist.")
    return ids


def slice_of(key: slice, n: int) -> slice:
    """`key` with non-negative bounds, for a collection of `n` nodes.

    **Raises:** `IndexError` for bounds outside, `BadParameter` where nothing is left.
    """
    step = 1 if key.step is None else key.step
    start = 0 if key.start is None else key.start
    stop = n if key.stop is None else key.stop
    if step < 1:
        raise IndexError("slicing step for NodeCollection must be strictly positive")
    if (key.start is not None and start >= n) or start < -n:
        raise IndexError("slice start value outside of the NodeCollection")
    if stop > n or (key.stop is not None and stop <= -n):
        raise IndexError("slice stop value outside of the NodeCollection")
    start, stop = start + n * (start < 0), stop + n * (stop < 0)
    if start >= stop:
        raise NESTErrors.BadParameter("start < stop required.")
    return slice(start, stop, step)


def places_of(key: Any, n: int) -> np.ndarray:
    """The places (m,) int64 that a list, tuple or array of integers or of `n` booleans picks.

    **Raises:** `TypeError`, `ValueError` for places that repeat, `IndexError` and `OverflowError` for those outside,
    `BadProperty` for those that are not sorted.
    """
    if not len(key):
        return np.zeros(0, np.int64)
    if isinstance(key, np.ndarray):
        if key.ndim != 1:
            raise TypeError("NumPy indices must one-dimensional")
        if key.dtype.kind not in "iub":
            raise TypeError("NumPy indices must be an array of integers or bools")
        flags = key.dtype.kind == "b"
    else:
        kinds = {isinstance(k, bool | np.bool_) for k in key}
        flags = kinds == {True}
        if len(kinds) > 1 or not all(isinstance(k, int | np.integer | np.bool_) for k in key):
            raise TypeError("Indices must be integers or bools")
        if not flags and min(key) < 0:
            raise OverflowError(f"Python integer {min(key)} out of bounds for uint64")
    array = np.asarray(key)
    if flags:
        if len(array) != n:
            raise IndexError("Bool index array must be the same length as NodeCollection")
        return np.flatnonzero(array)
    if len(np.unique(array)) != len(array):
        raise ValueError("All node IDs in a NodeCollection have to be unique")
    if (np.diff(array.astype(np.int64)) < 0).any():
        raise NESTErrors.BadProperty("Indices must be sorted in ascending order")
    outside = array[(array < 0) | (array >= n)]
    if len(outside):
        raise IndexError(f"pos {outside[0]} points outside of the NodeCollection")
    return array.astype(np.int64)


def model_codes(blocks: Sequence[Block], ids: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names of models, and for each of `ids` the place of its model's name among them, (n,)."""
    names = sorted({b.model.name for b in blocks})
    codes = np.array([names.index(b.model.name) for b in blocks], np.int64)
    firsts = np.array([b.first for b in blocks])
    return names, codes[np.searchsorted(firsts, ids, side="right") - 1] if len(blocks) else np.zeros(0, np.int64)


def describe(blocks: Sequence[Block], ids: np.ndarray, step: int | None, spatial: bool) -> str:
    """The text of a collection: its stretches of one model, whose IDs lie one apart (`step` apart, if it was sliced)."""
    if not len(ids):
        return "NodeCollection(<empty>)"
    names, codes = model_codes(blocks, ids)
    ends = np.flatnonzero((np.diff(ids) != (step or 1)) | (np.diff(codes) != 0))
    lines = []
    for first, last in zip([0, *(ends + 1)], [*ends, len(ids) - 1], strict=True):
        text = f"model={names[codes[first]]}, size={last - first + 1}, first={ids[first]}"
        if last > first or step is not None:
            text += f", last={ids[last]}"
        lines.append(text + (f", step={step}" if last > first and step not in (None, 1) else ""))
    meta = "spatial" if spatial else "None"
    if len(lines) == 1 and step is None:
        return f"NodeCollection(metadata={meta}, {lines[0]})"
    space = "\n" + " " * len("NodeCollection(")
    return f"NodeCollection(metadata={meta},{space}" + f";{space}".join(lines) + ")"


__all__ = ["describe", "ids_from", "model_codes", "places_of", "slice_of"]
