"""Sorting connections into rows: one row a source, within it by target, then in the order in which they were drawn.

Long rows may be cut into segments: the connections of one delay each, and these by target.

Connections are drawn twice, chunk by chunk, by all processors: to count those of each row, and to put each into its place.
So beside the result there is never more than a few chunks in memory. The inner loops are C++ (``events/native/build.cpp``);
without that library they run in NumPy and SciPy. The result does not depend on either, nor on the number of threads.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxnest.connectivity.sampling import Drawing
from jaxnest.errors import ConfigurationError
from jaxnest.events import native

LARGEST = np.iinfo(np.int32).max  # connections in one table
_ALIGNMENT = 64  # bytes: what JAX takes without a copy


@dataclass(frozen=True)
class Part:
    """Connections of one drawing that go into a table.

    `rows` is the row of each source (n_pre,) int32, or that of the first source if the others follow; `columns` (n_post,)
    int32 the column of each target, negative for those whose connections stay out (`every`: there are none).
    `shift(k, n)` (n,) int32 is added to the columns of chunk k; `values(k, n)` are its further values, one array (n,) for
    each that the table has. Both are called from several threads.
    """

    drawing: Drawing
    rows: np.ndarray | int
    columns: np.ndarray
    every: bool
    shift: Callable[[int, int], np.ndarray] | None
    values: Callable[[int, int], Sequence[np.ndarray]]

    @property
    def chunks(self) -> np.ndarray:
        """The chunks that have connections of ours."""
        bounds = self.drawing.bounds
        if self.every or bounds is None:
            return np.arange(self.drawing.chunks)
        wanted = np.concatenate(([0], np.cumsum(self.columns >= 0)))
        return np.flatnonzero(wanted[bounds[1:]] > wanted[bounds[:-1]])


class Segments(NamedTuple):
    """How rows are cut: into so many segments, by a first value from `lowest` on."""

    number: int = 1
    lowest: int = 0


class Rows(NamedTuple):
    """Row r holds the connections ``row_ptr[r * g] : row_ptr[(r + 1) * g]``, in g segments (g = 1: none): their `target`
    columns, int32, in ascending order within each segment, and further `values` in the same order. Segment k of a row
    has those whose first value is `lowest` + k. Their memory is aligned so that `jax.device_put` need not copy it."""

    row_ptr: np.ndarray
    target: np.ndarray
    values: list[np.ndarray]
    segments: Segments


def threads() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sort_into_rows(
    parts: Sequence[Part],
    n_rows: int,
    dtypes: Sequence[Any],
    *,
    what: str = "table",
    segments: Callable[[np.ndarray], Segments] | None = None,
) -> Rows:
    """All connections of `parts`, whose order decides between equal targets.

    **Arguments:** `dtypes`: the types of the values; an unsigned one is made wider where values do not fit; `what`: what
    errors call it; `segments`, called with the ends of the rows (n_rows + 1,) when all are drawn, says how to cut them.

    **Raises:** `ConfigurationError` for more than 2³¹ - 1 connections, and what the parts raise.
    """
    chosen = {id(part): part.chunks for part in parts}
    jobs = [(part, int(k)) for part in parts for k in chosen[id(part)]]
    expected = np.concatenate([np.zeros(1), *(p.drawing.expected[chosen[id(p)]] for p in parts)]).cumsum()
    if all(p.every for p in parts) and expected[-1] > 1.01 * LARGEST:
        raise _too_many(what, expected[-1])
    shares = _shares(expected, min(threads(), len(jobs)))
    kernels = _kernels()
    counts = np.zeros((len(shares), n_rows), np.int32)
    sizes = {id(p): np.zeros(p.drawing.chunks, np.int64) for p in parts}
    with _all_of(len(shares)) as each:

        def count(share: int) -> None:
            for part, k in jobs[slice(*shares[share])]:
                pre, post = part.drawing.draw(k)
                sizes[id(part)][k] = len(pre)
                kernels.count(part, pre, post, counts[share])

        each(count)
        for part in parts:
            if len(chosen[id(part)]) == part.drawing.chunks:
                part.drawing.note(sizes[id(part)])
        row_ptr = np.zeros(n_rows + 1, np.int64)
        np.cumsum(counts.sum(axis=0, dtype=np.int64), out=row_ptr[1:])
        if row_ptr[-1] > LARGEST:
            raise _too_many(what, row_ptr[-1])
        # where each share's connections of a row begin
        begin = np.cumsum(counts, axis=0, dtype=np.int32)
        begin -= counts
        begin += row_ptr[:-1].astype(np.int32)
        n = int(row_ptr[-1])
        target = empty(n, np.int32)
        wanted = [np.dtype(dtype) for dtype in dtypes]
        while True:
            values = [empty(n, dtype) for dtype in wanted]
            wider: list[tuple[int, int]] = []
            cursors = begin.copy()

            def place(share: int, values: Any = values, wider: Any = wider, cursors: Any = cursors) -> None:
                for part, k in jobs[slice(*shares[share])]:
                    if wider:
                        return
                    pre, post = part.drawing.draw(k)
                    where = kernels.place(part, k, pre, post, cursors[share], target, bool(values))
                    for number, (out, new) in enumerate(zip(values, part.values(k, len(pre)) if values else (), strict=True)):
                        if out.dtype.kind == "u" and new.max(initial=0) > np.iinfo(out.dtype).max:
                            wider.append((number, int(new.max())))
                            break
                        kernels.scatter(where, np.ascontiguousarray(new, out.dtype), out)

            each(place)
            if not wider:
                break
            for number, largest in wider:
                wanted[number] = np.promote_types(wanted[number], np.min_scalar_type(largest))
            del values
        fitting = row_ptr.astype(np.int32)
        blocks = _shares(fitting, 4 * len(shares))
        cut = Segments() if segments is None else segments(fitting)
        ends = np.repeat(fitting, cut.number)[: n_rows * cut.number + 1]  # of empty rows already right
        ends[-1] = n
        each(lambda block: kernels.sort(*blocks[block], fitting, target, values, cut, ends), len(blocks))
    return Rows(aligned(ends), target, values, cut)


def empty(n: int, dtype: Any) -> np.ndarray:
    """An array (n,) that JAX takes without a copy."""
    dtype = np.dtype(dtype)
    memory = np.empty(n * dtype.itemsize + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + n * dtype.itemsize].view(dtype)


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that JAX takes without a copy."""
    out = empty(len(array), array.dtype)
    out[:] = array
    return out


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
    import scipy.sparse  # here, since it is slow to import and seldom needed

    columns = scipy.sparse.csc_array(
        (np.zeros(pre.size, np.int8), pre.astype(index, copy=False), np.arange(pre.size + 1, dtype=index)),
        shape=(n_sources, pre.size),
    )
    rows = columns.tocsr()
    return rows.indptr, rows.indices


def _too_many(what: str, n: float) -> ConfigurationError:
    return ConfigurationError(
        f"{what}: {n:.3g} connections, more than the {LARGEST} that one table holds; connect parts of the populations apart"
    )


def _shares(ends: np.ndarray, n: int) -> list[tuple[int, int]]:
    """Cut what `ends` counts cumulatively, from 0 on, into at most `n` ranges of similar size: [(first, last + 1), ...]."""
    if len(ends) < 2:
        return []
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], n + 1)[1:-1])
    bounds = np.unique([0, *cuts, len(ends) - 1])
    return [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]


@contextmanager
def _all_of(n: int) -> Iterator[Callable[..., None]]:
    """A function ``each(work, count=n)`` that calls ``work(0) ... work(count - 1)``, on `n` threads."""
    if n < 2:

        def one_by_one(work: Callable[[int], None], count: int = n) -> None:
            for k in range(count):
                work(k)

        yield one_by_one
        return
    with ThreadPoolExecutor(n) as pool:

        def each(work: Callable[[int], None], count: int = n) -> None:
            for _ in pool.map(work, range(count)):  # raises what the first that failed raised
                pass

        yield each


def _kernels() -> Any:
    library = native.library()
    return _Numpy() if library is None else _Native(library)


class _Native:
    """The inner loops in C++. ctypes lets other threads run meanwhile."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def count(self, part: Part, pre: np.ndarray, post: np.ndarray, counts: np.ndarray) -> None:
        columns = None if part.every else part.columns
        self._library.jaxnest_count(*_sources(part, pre), _pointer(post), _pointer(columns), _pointer(counts))

    def place(
        self, part: Part, k: int, pre: np.ndarray, post: np.ndarray, cursor: np.ndarray, target: np.ndarray, wanted: bool
    ) -> np.ndarray | None:
        shift = None if part.shift is None else part.shift(k, len(pre))
        where = np.empty(len(pre), np.int32) if wanted else None
        arrays = (post, part.columns, shift, cursor, target, where)
        self._library.jaxnest_place(*_sources(part, pre), *map(_pointer, arrays))
        return where

    def scatter(self, where: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
        self._library.jaxnest_scatter(
            ctypes.c_int64(len(where)), _pointer(where), _pointer(values), _pointer(out), ctypes.c_int32(out.itemsize)
        )

    def sort(
        self,
        begin: int,
        end: int,
        row_ptr: np.ndarray,
        target: np.ndarray,
        values: Sequence[np.ndarray],
        cut: Segments,
        ends: np.ndarray,
    ) -> None:
        arrays = (ctypes.c_void_p * len(values))(*(v.ctypes.data for v in values))
        widths = (ctypes.c_int32 * len(values))(*(v.itemsize for v in values))
        self._library.jaxnest_sort_rows(
            ctypes.c_int64(begin),
            ctypes.c_int64(end),
            _pointer(row_ptr),
            _pointer(target),
            ctypes.c_int32(len(values)),
            arrays,
            widths,
            ctypes.c_int32(cut.number),
            ctypes.c_int32(cut.lowest),
            _pointer(ends),
        )


def _sources(part: Part, pre: np.ndarray) -> tuple[Any, ...]:
    table = part.rows if isinstance(part.rows, np.ndarray) else None
    first = 0 if isinstance(part.rows, np.ndarray) else part.rows
    return ctypes.c_int64(len(pre)), _pointer(pre), _pointer(table), ctypes.c_int32(first)


def _pointer(array: np.ndarray | None) -> Any:
    return None if array is None else ctypes.c_void_p(array.ctypes.data)


class _Numpy:
    """The inner loops without the library."""

    def count(self, part: Part, pre: np.ndarray, post: np.ndarray, counts: np.ndarray) -> None:
        row = self._row(part, pre)
        counts += np.bincount(row if part.every else row[part.columns[post] >= 0], minlength=len(counts))

    def place(
        self, part: Part, k: int, pre: np.ndarray, post: np.ndarray, cursor: np.ndarray, target: np.ndarray, wanted: bool
    ) -> np.ndarray:
        column = part.columns[post]
        here = np.flatnonzero(column >= 0)
        if part.shift is not None:
            column = column + part.shift(k, len(pre))
        begin, order = rows_by_source(self._row(part, pre)[here], len(cursor))
        counts = np.diff(begin)
        where = np.full(len(pre), -1, np.int32)
        where[here[order]] = np.arange(len(here)) + np.repeat(cursor - begin[:-1], counts)
        target[where[here]] = column[here]
        cursor += counts
        return where

    def scatter(self, where: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
        here = where >= 0
        out[where[here]] = values[here]

    def sort(
        self,
        begin: int,
        end: int,
        row_ptr: np.ndarray,
        target: np.ndarray,
        values: Sequence[np.ndarray],
        cut: Segments,
        ends: np.ndarray,
    ) -> None:
        row = np.repeat(np.arange(begin, end), np.diff(row_ptr[begin : end + 1]))
        here = slice(row_ptr[begin], row_ptr[end])
        segment = row * cut.number
        if cut.number > 1:
            segment += values[0][here].astype(np.int64) - cut.lowest
            counts = np.bincount(segment - begin * cut.number, minlength=(end - begin) * cut.number)
            ends[begin * cut.number : end * cut.number] = row_ptr[begin] + np.cumsum(counts) - counts
        order = np.lexsort((target[here], segment))
        for array in (target, *values):
            array[here] = array[here][order]

    @staticmethod
    def _row(part: Part, pre: np.ndarray) -> np.ndarray:
        return part.rows[pre] if isinstance(part.rows, np.ndarray) else pre + np.int32(part.rows)
