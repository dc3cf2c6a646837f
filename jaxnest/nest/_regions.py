"""Finding the nodes inside a mask, for many nodes at once and in blocks of bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._layers import Layer, modulo
from jaxnest.nest._masks import Converse, Grid, Mask

_BLOCK = 1 << 19  # pairs that are held at once
_SLACK = 1e-9  # share by which the boxes searched are larger than the mask, which then decides


def fitted(mask: Mask, layer: Layer, allow_oversized: bool) -> Mask:
    """The mask as it applies to the layer, a grid mask turned into a box.

    Raises BadProperty if the dimensions differ, if a grid mask meets a layer that is no grid, and if the mask is
    larger than a layer whose edges are joined, unless that is allowed.
    """
    if isinstance(mask, Grid):
        if layer.ndim != mask.ndim:
            raise NESTErrors.BadProperty("Mask is incompatible with layer.")
        if layer.shape is None:
            raise NESTErrors.BadProperty("Grid masks can only be used with grid layers.")
        oversized = bool((mask.shape > np.array(layer.shape)).any())
        mask = mask.on(layer.extent / np.array(layer.shape))
    else:
        if layer.ndim != mask.ndim:
            raise NESTErrors.BadProperty("Mask is incompatible with layer.")
        low, high = mask.box()
        oversized = bool((high - low > layer.extent).any())
    if oversized and layer.edge_wrap and not allow_oversized:
        raise NESTErrors.BadProperty("Mask size must not exceed layer size; set allow_oversized_mask to override.")
    return mask


@dataclass(frozen=True, eq=False)
class Region:
    """The nodes of a pool, and the mask in which an anchor seeks them.

    Attributes:
        pool: (p, d), where the nodes lie.
        mask: relative to the anchor; None for all nodes.
        period: (d,), after which space repeats itself; None if it does not.
        lower_left: (d,), the corner of the part of space that repeats itself.
    """

    pool: np.ndarray
    mask: Mask | None = None
    period: np.ndarray | None = None
    lower_left: np.ndarray | None = None

    @classmethod
    def within(cls, layer: Layer, pool: np.ndarray, mask: Mask | None, allow_oversized: bool = False) -> "Region":
        """The mask, given in ``layer``, seeks among nodes of the same layer."""
        if mask is None:
            return cls(pool)
        mask = fitted(mask, layer, allow_oversized)
        return cls(pool, mask, layer.extent if layer.edge_wrap else None, layer.lower_left)

    @classmethod
    def towards(
        cls, layer: Layer, pool: np.ndarray, pool_layer: Layer, mask: Mask | None, allow_oversized: bool = False
    ) -> "Region":
        """The mask, given in ``layer`` around nodes of the pool, seeks those of them that see the anchor in it."""
        if mask is None:
            return cls(pool)
        mask = Converse(fitted(mask, layer, allow_oversized))
        return cls(pool, mask, layer.extent if layer.edge_wrap else None, pool_layer.lower_left)

    def blocks(self, anchors: np.ndarray) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """The pairs of anchors (a, d) and nodes of the pool inside their masks.

        Yields (first, last, anchor rows, pool rows) for anchors first … last - 1, the rows as int64, sorted by
        anchor. A node is there twice if it lies in the mask in two images of a layer with joined edges.
        """
        if self.mask is None:
            yield from self._all(len(anchors))
            return
        owner, images, pool = self._images(anchors)
        low, high = _finite(self.mask.box(), pool, images)
        if (high < low).any():
            for first in range(0, len(anchors), _BLOCK):
                yield first, min(first + _BLOCK, len(anchors)), np.zeros(0, np.int64), np.zeros(0, np.int64)
            return
        slack = _SLACK * (high - low)
        cells = _Cells.of(pool, high - low)
        image, start, end = cells.ranges(images + low - slack, images + high + slack)
        by_anchor = np.argsort(owner[image], kind="stable")
        image, start, end = image[by_anchor], start[by_anchor], end[by_anchor]
        counts = np.bincount(owner[image], weights=end - start, minlength=len(anchors))
        for first, last in _split(counts):
            mine = slice(*np.searchsorted(owner[image], (first, last)))
            which, rows = _expanded(start[mine], end[mine])
            which, node = image[mine][which], cells.nodes[rows]
            found = self.mask.inside(pool[node] - images[which])
            yield first, last, owner[which[found]], node[found]

    def _all(self, n_anchors: int) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        for first, last in _split(np.full(n_anchors, len(self.pool))):
            anchor, node = _product(last - first, len(self.pool))
            yield first, last, first + anchor, node

    def _images(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which anchor each image belongs to (i,), the images (i, d), and the pool in the repeated part (p, d).

        As in NEST, the mask is moved so that its lower left corner lies in the layer; along each dimension in which
        it then reaches over the edge, there is one image more.
        """
        if self.period is None:
            return np.arange(len(anchors)), anchors, self.pool
        assert self.mask is not None and self.lower_left is not None
        period, corner = self.period, self.lower_left
        low, high = (np.where(np.isfinite(x), x, np.copysign(period / 2, x)) for x in self.mask.box())
        main = modulo(anchors + low - corner, period) - low + corner
        over = main + high - corner > period
        owners, images = [], []
        for shift in product((False, True), repeat=len(period)):
            rows = np.flatnonzero((over | ~np.array(shift)).all(axis=1))
            owners.append(rows)
            images.append(main[rows] - np.array(shift) * period)
        pool = corner + modulo(self.pool - corner, period)
        return np.concatenate(owners), np.concatenate(images), pool


def _finite(box: tuple[np.ndarray, np.ndarray], pool: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The box, cut off where it is infinite at the farthest that any node can be from an anchor."""
    if not len(pool) or not len(images):
        return box
    low, high = box
    reach_low, reach_high = pool.min(axis=0) - images.max(axis=0), pool.max(axis=0) - images.min(axis=0)
    return np.where(np.isfinite(low), low, reach_low), np.where(np.isfinite(high), high, reach_high)


def _split(counts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of anchors with at most `_BLOCK` pairs together, or of a single anchor."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        done = ends[first - 1] if first else 0.0
        last = max(first + 1, int(np.searchsorted(ends, done + _BLOCK, side="right")))
        yield first, min(last, len(counts))
        first = last


def _product(n_first: int, n_second: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of rows."""
    return np.repeat(np.arange(n_first), n_second), np.tile(np.arange(n_second), n_first)


def _expanded(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The members of the ranges start[i] … end[i] - 1: to which range each belongs, and the member."""
    size = end - start
    which = np.repeat(np.arange(len(size)), size)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(size) - size - start, size)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Nodes sorted into the cells of a grid.

    Attributes:
        corner, size: (d,), the corner of the grid and the size of its cells.
        shape: (d,) int64, how many cells.
        starts: where each cell begins in ``nodes``, and the end.
        nodes: (p,) int64, row numbers of the nodes by cell; the last dimension varies fastest.
    """

    corner: np.ndarray
    size: np.ndarray
    shape: np.ndarray
    starts: np.ndarray
    nodes: np.ndarray

    @classmethod
    def of(cls, pool: np.ndarray, box: np.ndarray) -> "_Cells":
        """Cells of a quarter of the box, but not many more of them than nodes in the pool (p, d)."""
        corner = pool.min(axis=0)
        span = np.maximum(pool.max(axis=0) - corner, np.finfo(float).tiny)
        size = np.maximum(box / 4, span / (np.ceil(len(pool) ** (1 / pool.shape[1])) + 1))
        index = ((pool - corner) // size).astype(np.int64)
        shape = index.max(axis=0) + 1
        flat = np.ravel_multi_index(tuple(index.T), tuple(shape))
        order = np.argsort(flat, kind="stable")
        return cls(corner, size, shape, np.searchsorted(flat[order], np.arange(shape.prod() + 1)), order)

    def ranges(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ranges of ``nodes`` that may lie in the boxes low … high (b, d): box row, start and end (r,)."""
        far = self.shape + 1.0
        first = np.clip((low - self.corner) // self.size, 0, far).astype(np.int64)
        last = np.clip((high - self.corner) // self.size, -1, self.shape - 1).astype(np.int64)
        boxes, starts, ends = [], [], []
        width = (last - first + 1).max(axis=0, initial=0)
        for step in product(*(range(n) for n in width[:-1])):
            line = first[:, :-1] + np.array(step, np.int64)
            rows = np.flatnonzero((line <= last[:, :-1]).all(axis=1) & (first[:, -1] <= last[:, -1]))
            base = np.ravel_multi_index(tuple(line[rows].T), tuple(self.shape[:-1])) * self.shape[-1]
            boxes.append(rows)
            starts.append(self.starts[base + first[rows, -1]])
            ends.append(self.starts[base + last[rows, -1] + 1])
        none = [np.zeros(0, np.int64)]
        return np.concatenate(boxes or none), np.concatenate(starts or none), np.concatenate(ends or none)
