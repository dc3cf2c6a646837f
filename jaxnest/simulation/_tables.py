"""Event tables: the connections of spiking sources, sorted by source, then by target, then in the order of connecting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnest._values import Values
from jaxnest.connectivity.rows import Part, Rows, Segments, sort_into_rows
from jaxnest.devices._base import Source
from jaxnest.errors import ConfigurationError
from jaxnest.events.deliver import Layout, Table, block_width
from jaxnest.events.matrix import columns_of as matrix_columns
from jaxnest.neurons._base import Routing
from jaxnest.simulation import _plan
from jaxnest.simulation._checks import synapses_of_chunk
from jaxnest.simulation._layout import Build, Held, Index, columns_of, kind_of
from jaxnest.simulation._network import Network, Projection

_STREAM_TABLES = 1 << 20
#: rows in segments, one for each delay: from so many connections a segment on, and if the ring is larger than so many bytes
_SEGMENT_FROM, _RING_FROM = 8, 12 << 20
#: static projections of one weight and one delay get tables of their own, so that these are stored once: at most so
#: many, the largest, of at least so many connections (each table costs a little time in every slice)
_OWN_TABLES, _OWN_TABLE_FROM = 8, 4096


@dataclass(frozen=True)
class Piece:
    """The connections of a projection to one group: the number of the group among those that the projection reaches, which
    `sources` they come from (n_pre,), and the `columns` they go to (n_post,), -1 for targets in other groups. With
    receptors of its own, a connection goes `stride` columns further for each receptor beyond `lowest`."""

    projection: Projection
    number: int
    group: _plan.Group
    several: bool
    sources: np.ndarray
    columns: np.ndarray
    lowest: int
    stride: int

    @property
    def key(self) -> str:
        name = self.projection.name
        return f"{name}[{self.group.key}]" if self.several else name

    @property
    def common(self) -> bool:
        """Whether one weight and one delay are given for all."""
        return self.projection.weights.constant and self.projection.delays.constant

    @property
    def full(self) -> bool:
        """Whether it connects all with all, as often as there are pairs, by neurons' channels, with one delay."""
        pairs = len(self.projection.pre) * len(self.projection.post)
        counts = self.group.model.routing is Routing.COUNT
        weighted = any(pop.options.get("weighted", False) for pop, _ in self.projection.pre)
        constant = self.projection.delays.constant and not (self.several or self.stride or counts or weighted)
        return constant and len(self.projection.drawing.expected) > 0 and float(self.projection.drawing.expected.sum()) == pairs

    @property
    def span(self) -> tuple[int, int]:
        """The range of the columns that it may go to."""
        here = self.columns[self.columns >= 0]
        if not len(here):
            return 0, 0
        more = (int(self.projection.receptor.max(initial=self.lowest)) - self.lowest) * self.stride
        return int(here.min()), int(here.max()) + more + 1

    def shift(self, k: int, n: int) -> np.ndarray:
        start = self.projection.drawing.start(k)
        receptor = self.projection.receptor[start : start + n].astype(np.int32)
        return (receptor - self.lowest) * self.stride

    def part(self, first_source: int, values: Any) -> Part:
        """As part of a table whose first row is that of `first_source`."""
        rows = self.sources - np.int32(first_source)
        consecutive = bool((np.diff(rows) == 1).all())
        return Part(
            self.projection.drawing,
            int(rows[0]) if consecutive else rows,
            self.columns,
            bool((self.columns >= 0).all()),
            self.shift if self.stride else None,
            values,
        )


def pieces_of(index: Index, projection: Projection) -> list[Piece]:
    """A projection of spiking sources, piece by piece."""
    if not (len(projection.pre) and len(projection.post)):
        return []
    sources = index.sources_of(projection.pre)
    touched, which, local = index.parts_by_group(projection.post)
    pieces = []
    for j, group in enumerate(touched):
        own = bool(projection.receptor.ndim) and group.model.routing in (Routing.PORTS, Routing.COUNT)
        lowest = int(projection.receptor.min()) if own and projection.receptor.size else 0
        receptor = np.asarray(lowest) if projection.receptor.ndim else projection.receptor
        columns = np.where(which == j, columns_of(group, None, local, receptor), np.int32(-1))
        stride = group.n if own else 0
        pieces.append(Piece(projection, j, group, len(touched) > 1, sources, columns, lowest, stride))
    return pieces


def table_plans(b: Build) -> list[_plan.TablePlan]:
    """The tables: every projection whose synapses are more than weights has its own, one for each group that it reaches;
    so have some static ones (see `_OWN_TABLES`); all others share three (routed by sign; not; to relays)."""
    plans: list[_plan.TablePlan | None] = []
    static: list[Piece] = []
    for projection in b.net.projections:
        if kind_of(projection) is None:
            b.layouts.tables[projection.name] = []
            for piece in pieces_of(b.index, projection):
                if projection.model.static and projection.weight_recorder is None:
                    static.append(piece)
                else:
                    plans.append(_plastic_table(b, piece))
    sizes = [float(piece.projection.drawing.expected.sum()) for piece in static]
    largest = sorted((k for k, piece in enumerate(static) if piece.common), key=lambda k: -sizes[k])
    own = {k for k in largest[:_OWN_TABLES] if sizes[k] >= _OWN_TABLE_FROM}
    own |= {k for k, piece in enumerate(static) if b.matrices and piece.full}
    plans += [_static_table(b, static[k].key, [static[k]]) for k in sorted(own)]
    shared: dict[str, list[Piece]] = {}
    for k, piece in enumerate(static):
        if k not in own:
            kind = {Routing.SIGN: "signed", Routing.COUNT: "counted"}.get(piece.group.model.routing, "fixed")
            shared.setdefault(f"static.{kind}", []).append(piece)
    plans += [_static_table(b, key, pieces) for key, pieces in shared.items()]
    return [plan for plan in plans if plan is not None]


def places_of(
    network: Network, index: Index, layouts: Mapping[str, Sequence[Held]], name: str, held: Held, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Where the connections of projection `name` lie in a table that it shares with others, and which they are (in the
    order of drawing), both in the table's order. The table, of that `layout`, is laid out once more for this."""
    cut = Segments(layout.segments, layout.shortest)

    def part(piece: Piece) -> Part:
        mine = piece.projection.name == name and piece.number == held.group

        def number(k: int, n: int) -> list[np.ndarray]:
            start = piece.projection.drawing.start(k) if mine else 0
            delays = [_delays_of_chunk(piece.projection, k, n, [])] if cut.number > 1 else []
            return [*delays, np.arange(start, start + n, dtype=np.int32) if mine else np.full(n, -1, np.int32)]

        return piece.part(0, number)

    pieces = [
        piece
        for projection in network.projections
        for piece in (pieces_of(index, projection) if projection.name in layouts else [])
        if any(h.table == held.table and h.group == piece.number for h in layouts[projection.name])
    ]
    n_rows = max(int(piece.sources.max()) for piece in pieces) + 1
    dtypes = [np.uint8] * (cut.number > 1) + [np.int32]
    rows = sort_into_rows([part(piece) for piece in pieces], n_rows, dtypes, what=held.table, segments=lambda _: cut)
    number = rows.values[-1]
    places = np.flatnonzero(number >= 0).astype(np.int32)
    return places, number[places]


def _plastic_table(b: Build, piece: Piece) -> _plan.TablePlan | None:
    proj, group = piece.projection, piece.group
    model, weights = proj.model, proj.weights
    listed = [key for key, v in {**proj.values, "weight": weights}.items() if not v.constant]
    seen: list[tuple[int, int]] = []
    delayed = not proj.delays.constant

    def values(k: int, n: int) -> list[np.ndarray]:
        drawn = synapses_of_chunk(proj.name, model, proj.values, weights, k, n)
        delays = [_delays_of_chunk(proj, k, n, seen)] if delayed else []
        return delays + [_weights(proj, drawn[key], b.dtype) if key == "weight" else drawn[key] for key in listed]

    dtypes = [np.uint8] * delayed + [b.dtype] * len(listed)
    rows = sort_into_rows([piece.part(0, values)], b.n_sources, dtypes, what=proj.name)
    arrays = dict(zip(["delay"] * delayed + listed, rows.values, strict=True))
    if not _keep(b, piece.key, [piece], rows, arrays.get("delay"), _seen(b, [piece], seen)):
        return None
    constants = {key: v.number for key, v in {**proj.values, "weight": weights}.items() if v.constant}
    every: dict[str, Any] = {key: np.asarray(p.default) for key, p in model.parameters.items()}
    every |= {key: _weights(proj, v, b.dtype) if key == "weight" else v for key, v in constants.items()}
    params = {key: np.atleast_1d(v).astype(b.dtype) for key, v in every.items()}
    b.params["tables"][piece.key] = Values(params | {key: arrays[key] for key in listed})
    low, high = piece.span
    return _plan.TablePlan(
        key=piece.key,
        model=model,
        layout=Layout(b.inhibitory if _signed(group) else 0, _width(rows.row_ptr), 0, low, high),
        post_group=group.key,
        first_column=group.column,
        n_post=group.n,
        counts_events=group.model.routing is Routing.COUNT,
        recorder=None if proj.weight_recorder is None else proj.weight_recorder.name,
        stream=_STREAM_TABLES + proj.number * 64 + piece.number,
        n=len(rows.target),
        pre_repeats=any(issubclass(p.model, Source) or p.model.routing is Routing.COUNT for p, _ in proj.pre),  # type: ignore[attr-defined]
        post_repeats=group.multiple,
        modulator=None if proj.modulator is None else b.index.modulator(proj.modulator),
    )


def _static_table(b: Build, key: str, pieces: Sequence[Piece]) -> _plan.TablePlan | None:
    """A table of static connections. There is one weight for all if it holds one projection that was given one."""
    seen: list[tuple[int, int]] = []
    common = len(pieces) == 1 and pieces[0].projection.weights.constant
    delays = [p.projection.delays for p in pieces]
    delayed = not all(d.constant for d in delays) or len({int(d.number) for d in delays}) > 1

    def part(piece: Piece) -> Part:
        proj = piece.projection

        def values(k: int, n: int) -> list[np.ndarray]:
            found = [_delays_of_chunk(proj, k, n, seen)] if delayed else []
            return found if common else [*found, np.broadcast_to(_weights(proj, proj.weights.chunk(k, n), b.dtype), n)]

        return piece.part(first, values)

    first = min(int(p.sources.min()) for p in pieces)
    last = max(int(p.sources.max()) for p in pieces)
    dtypes = [np.uint8] * delayed + [b.dtype] * (not common)

    def cut(_: np.ndarray) -> Segments:
        return _segments(pieces, _seen(b, pieces, seen), b.slot * b.dtype.itemsize) if delayed else Segments()

    rows = sort_into_rows([part(p) for p in pieces], last + 1 - first, dtypes, what=key, segments=cut)
    arrays = dict(zip(["delay"] * delayed + ["weight"] * (not common), rows.values, strict=True))
    if not _keep(b, key, pieces, rows, arrays.get("delay"), _seen(b, pieces, seen)):
        return None
    weight = arrays["weight"] if not common else _weights(pieces[0].projection, pieces[0].projection.weights.number, b.dtype)
    b.params["tables"][key] = Values(weight=np.atleast_1d(weight))
    spans = [p.span for p in pieces]
    low, high = min((s[0] for s in spans if s[1]), default=0), max(s[1] for s in spans)
    signed, width = _signed(pieces[0].group), _width(rows.row_ptr[:: rows.segments.number])
    full = b.matrices and len(pieces) == 1 and pieces[0].full
    columns = matrix_columns(rows.row_ptr, rows.target) if full else 0
    layout = Layout(b.inhibitory if signed else 0, width, first, low, high, *rows.segments, columns)
    counts = pieces[0].group.model.routing is Routing.COUNT
    return _plan.TablePlan(key, None, layout, None, 0, 0, counts, None, 0, len(rows.target))


def _seen(b: Build, pieces: Sequence[Piece], seen: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The ranges of the delays: those `seen`, but in a part of a network those of the whole, on which the order of events depends."""
    return seen if b.part is None else [p.projection.delays.span() for p in pieces if len(p.projection)]


def _segments(pieces: Sequence[Piece], seen: Sequence[tuple[int, int]], slot_bytes: int) -> Segments:
    """How to cut the rows of a table, with delays in the ranges `seen`, if a slot of the ring has so many bytes. It depends on the
    network's description alone, not on what is drawn, nor on how the network is parted."""
    if not seen:
        return Segments()
    shortest, longest = min(low for low, _ in seen), max(high for _, high in seen)
    number, rows = longest - shortest + 1, len(np.unique(np.concatenate([p.sources for p in pieces])))
    expected = sum(float(p.projection.drawing.expected.sum()) for p in pieces)
    worth = expected >= _SEGMENT_FROM * rows * number and slot_bytes * (longest + 1) >= _RING_FROM
    return Segments(number, shortest) if worth and number > 1 else Segments()


def _keep(
    b: Build, key: str, pieces: Sequence[Piece], rows: Rows, delay: np.ndarray | None, seen: Sequence[tuple[int, int]]
) -> bool:
    """Note a table and its delays (one for all: None); nothing, and false, if it has no connection."""
    if not len(rows.target) and (b.part is None or not any(len(p.projection) for p in pieces)):
        return False
    if delay is None:
        steps = int(pieces[0].projection.delays.number)
        delay, seen = np.full(1, steps, np.min_scalar_type(steps)), [(steps, steps)]
    b.spiking_delays.extend(seen)
    b.connections[key] = Table(rows.row_ptr, rows.target, delay)
    for piece in pieces:
        if piece.projection.drawing.chunks:
            b.layouts.tables[piece.projection.name].append(Held(key, piece.number, len(pieces) == 1))
    return True


def _delays_of_chunk(projection: Projection, k: int, n: int, seen: list[tuple[int, int]]) -> np.ndarray:
    """The delays (n,) in steps of a chunk, whose range is noted."""
    delays = projection.delays.chunk(k, n)
    if n:
        seen.append((int(delays.min()), int(delays.max())))
    return np.broadcast_to(delays, n)


def _weights(projection: Projection, weights: np.ndarray, dtype: Any) -> np.ndarray:
    with np.errstate(over="ignore"):
        cast = np.asarray(weights).astype(dtype)
    if not np.isfinite(cast).all():
        raise ConfigurationError(
            f"{projection.name}: a weight is beyond the range of {cast.dtype}; give smaller weights, or use float64"
        )
    return cast


def _signed(group: _plan.Group) -> bool:
    return group.model.routing is Routing.SIGN


def _width(row_ptr: np.ndarray) -> int:
    return block_width(int(row_ptr[-1]), int((np.diff(row_ptr) > 0).sum()))
