"""Drawing of connections: chunk by chunk, each from random numbers of its own.

A chunk is a range of rows (targets, or sources) with some 2¹⁷ connections. Its bounds follow from the description alone,
and its numbers from the seed and its place, so chunks can be drawn in any order, by any thread, again and again: the
connections themselves need not be kept.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable

import numpy as np

from jaxnest.events import native

Pairs = tuple[np.ndarray, np.ndarray]

CHUNK = 1 << 17  # connections (expected) of a chunk; part of what fixes the random sequence, as are the next two
_BLOCK = 1 << 18  # numbers drawn at a time where intermediates are wide
_GAPS = 1 << 14


class Stream:
    """Random numbers for one purpose, which `path`, some integers >= 0, names: a generator for each chunk."""

    def __init__(self, *path: int) -> None:
        self._key = np.random.SeedSequence(path).generate_state(2, np.uint64)

    def generator(self, chunk: int) -> np.random.Generator:
        """The counter-based generator for a chunk (-1: for what precedes all chunks), at its start."""
        return np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, chunk + 1]))

    def integers(self, chunk: int, high: int, n: int) -> np.ndarray:
        """`n` uniform integers below `high`, int32; of numbers apart from those of `generator`.

        They are multiples of 32 random bits, without bias (Lemire 2019). C++ draws them where it can.
        """
        counter = np.array([0, 0, 1, chunk + 1], np.uint64)
        library = native.library()
        if library is not None:
            out = np.empty(n, np.int32)
            arrays = (ctypes.c_void_p(a.ctypes.data) for a in (self._key, counter, out))
            library.jaxnest_integers(ctypes.c_int64(n), ctypes.c_uint32(high), *arrays)
            return out
        bits = np.random.Philox(key=self._key, counter=counter)
        out = np.empty(0, np.int32)
        while len(out) < n:
            raw = bits.random_raw((n - len(out)) // 2 + 1)
            halves = np.stack((raw & np.uint64(0xFFFFFFFF), raw >> np.uint64(32)), axis=1).ravel()
            halves *= np.uint64(high)
            kept = halves[(halves & np.uint64(0xFFFFFFFF)) >= (2**32 - high) % high]
            out = np.concatenate((out, (kept >> np.uint64(32)).astype(np.int32)))
        return out[:n]


class Drawing:
    """The connections of a rule between two selections.

    **Arguments:** `draw(k)`: the connections of chunk k: positions of sources and targets, two new int32 arrays.
    `sizes` (chunks,): how many connections each chunk has, or None where that is random; `expected` (chunks,): about how
    many. `bounds` (chunks + 1,): the targets of chunk k lie in ``bounds[k] : bounds[k + 1]`` (None: anywhere); `targeted`: how many connections
    each target has, or about how many, where that is known without drawing (None: it is not).
    """

    def __init__(
        self,
        draw: Callable[[int], Pairs],
        sizes: np.ndarray | None = None,
        expected: np.ndarray | None = None,
        bounds: np.ndarray | None = None,
        targeted: np.ndarray | None = None,
    ) -> None:
        known = sizes if expected is None else expected
        assert known is not None
        self.draw = draw
        self.expected = np.asarray(known)
        self.bounds = bounds
        self._targeted = targeted
        self._sizes = sizes

    @property
    def chunks(self) -> int:
        return len(self.expected)

    @property
    def sizes(self) -> np.ndarray:
        """The number of connections of each chunk. Where it is random, connections are drawn once to count them."""
        if self._sizes is None:
            self._sizes = np.array([len(self.draw(k)[0]) for k in range(self.chunks)], np.int64)
        return self._sizes

    def degrees(self, n_post: int) -> np.ndarray:
        """About how many connections each of the `n_post` targets has, float64."""
        if self._targeted is not None:
            return self._targeted.astype(np.float64)
        counts = np.zeros(n_post)
        for k in range(self.chunks):
            counts += np.bincount(self.draw(k)[1], minlength=n_post)
        return counts

    def note(self, sizes: np.ndarray) -> None:
        """Keep the sizes that were found while drawing all chunks."""
        if self._sizes is None:
            self._sizes = sizes

    def size(self, chunk: int) -> int:
        """The number of connections of one chunk."""
        return len(self.draw(chunk)[0]) if self._sizes is None else int(self._sizes[chunk])

    def start(self, chunk: int) -> int:
        """The number of connections before those of a chunk."""
        return int(self.sizes[:chunk].sum())

    def __len__(self) -> int:
        return int(self.sizes.sum())

    def pairs(self) -> Pairs:
        """All connections in order: positions of sources and of targets, int32 arrays of shape (n,)."""
        parts = [self.draw(k) for k in range(self.chunks)]
        none = np.empty(0, np.int32)
        return np.concatenate([none, *(p[0] for p in parts)]), np.concatenate([none, *(p[1] for p in parts)])


def by_rows(degrees: np.ndarray, draw: Callable[[int, slice], np.ndarray], *, rows_are_targets: bool = True) -> Drawing:
    """Row after row, each with a number `degrees[row]` of connections; `draw(k, rows)` gives the partners of chunk k, of
    its `rows`."""
    bounds, sizes = _cut(degrees)

    def chunk(k: int) -> Pairs:
        rows = slice(bounds[k], bounds[k + 1])
        partners = draw(k, rows)
        row = np.repeat(np.arange(rows.start, rows.stop, dtype=np.int32), degrees[rows])
        return (partners, row) if rows_are_targets else (row, partners)

    return Drawing(chunk, sizes, bounds=bounds, targeted=degrees) if rows_are_targets else Drawing(chunk, sizes)


def by_index(n: int, take: Callable[[slice], Pairs]) -> Drawing:
    """`n` connections that are listed somewhere."""
    starts = np.arange(0, n, CHUNK)
    return Drawing(lambda k: take(slice(k * CHUNK, min((k + 1) * CHUNK, n))), np.minimum(n - starts, CHUNK))


def by_cells(stream: Stream, p: float, n_pre: int, n_post: int, own: np.ndarray | None) -> Drawing:
    """Every pair with probability `p`, target by target, without those where the source is the target's `own`."""
    per_row = n_pre * p
    rows_per_chunk = max(1, min(n_post, int(CHUNK / per_row) if per_row * n_post > CHUNK else n_post))
    bounds = np.append(np.arange(0, n_post if n_pre else 0, rows_per_chunk), n_post)

    def chunk(k: int) -> Pairs:
        first, last = int(bounds[k]), int(bounds[k + 1])
        pre, post = _bernoulli_pairs(stream.generator(k), p, n_pre, last - first)
        post += np.int32(first)
        if own is not None:
            keep = pre != own[post]
            pre, post = pre[keep], post[keep]
        return pre, post

    return Drawing(chunk, expected=np.diff(bounds) * per_row, bounds=bounds, targeted=np.full(n_post, per_row))


def with_mirror(forward: Drawing, source_of: np.ndarray, target_of: np.ndarray) -> Drawing:
    """All connections, then their reverses. `source_of` (n_post,) is the position of each target among the sources,
    `target_of` (n_pre,) that of each source among the targets."""

    def chunk(k: int) -> Pairs:
        if k < forward.chunks:
            return forward.draw(k)
        pre, post = forward.draw(k - forward.chunks)
        return source_of[post], target_of[pre]

    return Drawing(chunk, np.tile(forward.sizes, 2))


def _cut(degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut rows into chunks: their bounds (chunks + 1,), and how many connections each has."""
    ends = np.cumsum(degrees, dtype=np.int64)
    inner = np.flatnonzero(np.diff((ends - degrees) // CHUNK)) + 1
    bounds = np.concatenate(([0], inner, [len(degrees)])) if len(degrees) else np.zeros(1, np.int64)
    return bounds, np.diff(np.concatenate(([0], ends))[bounds])


def partners(
    stream: Stream, chunk: int, n: int, degrees: np.ndarray, own: np.ndarray | None, allow_multapses: bool
) -> np.ndarray:
    """For every row r of a chunk, `degrees[r]` uniform numbers below `n`, none equal to `own[r]`; row after row, int32.

    `own[r]` is -1 where the row has nothing to avoid. The caller has checked that enough numbers exist.
    """
    if not allow_multapses:
        return _distinct(stream.generator(chunk), n, degrees, own)
    values = stream.integers(chunk, max(n, 1), int(degrees.sum()))
    if own is not None:
        rng = stream.generator(chunk)
        avoid = np.repeat(own, degrees)
        again = np.flatnonzero(values == avoid)
        other = rng.integers(0, max(n - 1, 1), again.size, dtype=np.int32)  # among the n - 1 others
        values[again] = other + (other >= avoid[again])
    return values


def _distinct(rng: np.random.Generator, n: int, degrees: np.ndarray, own: np.ndarray | None) -> np.ndarray:
    """As `partners`, with all numbers of a row different and in random order.

    All three ways treat all numbers alike, hence every ordered selection is equally likely. Rows go in blocks: through
    shuffles where more than half of the numbers are wanted, through a sort where very few are, else through a table.
    """
    offsets = np.concatenate(([0], np.cumsum(degrees)))
    out = np.empty(offsets[-1], np.int32)
    if out.size == 0:
        return out
    if int(degrees.max()) > n // 2:
        method, rows_per_block = _distinct_by_shuffling, _BLOCK // n
    elif 128 * out.size < n * degrees.size:
        method, rows_per_block = _distinct_by_sorting, _BLOCK * degrees.size // out.size
    else:
        rows_per_block = _BLOCK // 4 * degrees.size // out.size  # few, so that the table stays in cache
        method, rows_per_block = _distinct_by_table, max(rows_per_block, _BLOCK // n)
    rows_per_block = max(1, rows_per_block)
    for start in range(0, degrees.size, rows_per_block):
        rows = slice(start, start + rows_per_block)
        block = slice(offsets[rows][0], offsets[min(start + rows_per_block, degrees.size)])
        out[block] = method(rng, n, degrees[rows], None if own is None else own[rows])
    return out


def _distinct_by_shuffling(rng, n, degrees, own):
    shuffled = rng.permuted(np.tile(np.arange(n, dtype=np.int32), (degrees.size, 1)), axis=1)
    if own is not None:
        # Where the number to avoid was chosen, the first one beyond the chosen takes its place.
        row, column = np.nonzero((shuffled == own[:, None]) & (np.arange(n) < degrees[:, None]))
        shuffled[row, column] = shuffled[row, degrees[row]]
    return shuffled[np.arange(n) < degrees[:, None]]


def _distinct_by_sorting(rng, n, degrees, own):
    base = np.repeat(np.arange(degrees.size) * n, degrees)
    cells = base + rng.integers(0, n, base.size)
    while True:
        ordered = np.sort(cells)
        twice = np.flatnonzero(np.isin(cells, ordered[1:][ordered[1:] == ordered[:-1]]))
        twice = twice[np.argsort(cells[twice], kind="stable")]
        again = twice[1:][cells[twice[1:]] == cells[twice[:-1]]]  # all but the first of those that are equal
        if own is not None:
            again = np.union1d(again, np.flatnonzero(cells - base == np.repeat(own, degrees)))
        if again.size == 0:
            return cells - base
        cells[again] = base[again] + rng.integers(0, n, again.size)


def _distinct_by_table(rng, n, degrees, own):
    base = np.repeat(np.arange(degrees.size) * n, degrees)
    cells = np.empty_like(base)
    holder = np.full(degrees.size * n, -1, np.int32)  # which entry holds the cell (row, value)
    if own is not None:
        row = np.flatnonzero(own >= 0)
        holder[row * n + own[row]] = base.size  # held by no entry
    todo = np.arange(base.size, dtype=np.int32)
    while todo.size:
        wanted = base[todo] + rng.integers(0, n, todo.size)
        free = holder[wanted] < 0
        holder[wanted[free]] = todo[free]  # of several that want the same cell, one gets it
        got = holder[wanted] == todo
        cells[todo[got]] = wanted[got]
        todo = todo[~got]
    return cells - base


def _bernoulli_pairs(rng: np.random.Generator, p: float, n_pre: int, n_post: int) -> Pairs:
    """Each cell of the (n_post, n_pre) grid with probability `p`, found by jumping from success to success.

    The gap from one success to the next is geometric: the integer part of an exponential variable of rate -log(1 - p).
    """
    n_cells = n_pre * n_post
    pre_parts, post_parts = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    mean_gap = 0.0 if p == 1 else -1.0 / math.log1p(-p) if p > 0 else math.inf
    last = -1 if mean_gap < math.inf else n_cells
    while last < n_cells - 1:
        left = n_cells - 1 - last
        expected = left * p
        size = int(min(expected + 5.0 * math.sqrt(expected) + 16.0, _GAPS, max(2**62 // n_cells, 1)))
        waits = rng.standard_exponential(size)
        last, pre, post = _jump(last, waits, mean_gap, n_cells, n_pre)
        pre_parts.append(pre)
        post_parts.append(post)
    return np.concatenate(pre_parts), np.concatenate(post_parts)


def _jump(last: int, waits: np.ndarray, mean_gap: float, n_cells: int, n_pre: int) -> tuple[int, np.ndarray, np.ndarray]:
    """From the cell `last` on to the next ones: the last of them, and the columns and rows of those inside the grid."""
    library = native.library()
    most = n_cells - 1 - last
    if library is not None:
        pre, post = np.empty(len(waits), np.int32), np.empty(len(waits), np.int32)
        place = ctypes.c_int64(last)
        found = library.jaxnest_cells(
            ctypes.c_int64(len(waits)),
            ctypes.c_void_p(waits.ctypes.data),
            ctypes.c_double(mean_gap),
            ctypes.c_double(most),
            ctypes.c_int64(n_cells),
            ctypes.c_int64(n_pre),
            ctypes.byref(place),
            ctypes.c_void_p(pre.ctypes.data),
            ctypes.c_void_p(post.ctypes.data),
        )
        return place.value, pre[:found], post[:found]
    waits *= mean_gap
    np.minimum(waits, most, out=waits)
    cells = waits.astype(np.int64)
    cells += 1
    np.cumsum(cells, out=cells)
    cells += last
    inside = cells[: np.searchsorted(cells, n_cells)]
    row = inside // n_pre
    return min(int(cells[-1]), n_cells), (inside - row * n_pre).astype(np.int32), row.astype(np.int32)


def own_position(pre_ids: np.ndarray, post_ids: np.ndarray) -> np.ndarray:
    """For every target its own position among the sources, -1 if it is none of them. int32, shape (n_post,)."""
    if pre_ids.size == 0:
        return np.full(post_ids.size, -1, np.int32)
    order = np.argsort(pre_ids, kind="stable")
    place = np.minimum(np.searchsorted(pre_ids, post_ids, sorter=order), pre_ids.size - 1)
    position = order[place]
    return np.where(pre_ids[position] == post_ids, position, -1).astype(np.int32)
