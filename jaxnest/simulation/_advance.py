"""The compiled loop behind `Simulation.run`: any number of steps, recordings in buffers of fixed size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxnest.errors import ConfigurationError
from jaxnest.events.compact import nth, pack
from jaxnest.events.exchange import gather
from jaxnest.events.native.call import in_place
from jaxnest.events.plastic import Trail
from jaxnest.simulation._arrays import slice_if_consecutive
from jaxnest.simulation._plan import Plan, Sampling, State
from jaxnest.simulation._relative import rebased
from jaxnest.simulation._step import Bound, bind, finish_slice, step

_BLOCK = 128
_SPIKE_ROOM = 1 << 18
_SAMPLE_BYTES = 1 << 26
_TRAIL_ROOM = 1 << 22


#: of spikes, of rows of samples, and of the weights of each recorded table
Rooms = tuple[int, int, tuple[tuple[str, int], ...]]


class SpikeBuffer(NamedTuple):
    """Recorded spikes: step, source, multiplicity; `count` so far."""

    step: Any
    source: Any
    multiplicity: Any
    count: Any


class SampleBuffer(NamedTuple):
    """Samples of one multimeter: `step` (rows,), `values` by recordable (rows, …, n); `count` rows so far."""

    step: Any
    values: Any
    count: Any


class Buffers(NamedTuple):
    """All recordings of a chunk."""

    spikes: SpikeBuffer | None
    samples: dict[str, SampleBuffer]
    trails: dict[str, Trail]


def rooms_of(plan: Plan) -> Rooms:
    """How many spikes, rows of samples, and weights of each table the buffers of a run hold.

    **Raises:** `ConfigurationError` where a slice could bring more weights than that.
    """
    row = max((4 * 2 * len(s.index) * len(s.fields) for s in plan.samplings), default=1)
    rows = int(max(min(_SAMPLE_BYTES // max(row, 1), 1 << 16), plan.slice_steps))
    trails = tuple((t.key, _trail_room(plan, t)) for t in plan.tables if t.recorder)
    return max(_SPIKE_ROOM, 2 * plan.slice_steps * max(plan.n_sources, 1)), rows, trails


def _trail_room(plan: Plan, table: Any) -> int:
    worst = plan.slice_steps * table.n
    if worst > _TRAIL_ROOM:
        raise ConfigurationError(
            f"{table.recorder}: {table.n} recorded connections could send {worst} events a slice, more than "
            f"{_TRAIL_ROOM}; record a projection with fewer connections"
        )
    return int(min(_TRAIL_ROOM, max(1 << 16, 2 * worst)))


def make_buffers(plan: Plan, state: State, *, spike_room: int, rows: int, trail_room: Mapping[str, int]) -> Buffers:
    """Empty buffers. `spike_room` must exceed the sources times the steps of a slice."""
    dtype = state.ring.dtype
    zero = jnp.zeros((), jnp.int32)
    spikes = None
    if plan.recordings:
        room = spike_room + _BLOCK
        spikes = SpikeBuffer(jnp.zeros(room, jnp.int32), jnp.zeros(room, jnp.int32), jnp.zeros(room, dtype), zero)
    samples = {}
    for s in plan.samplings:
        group = plan.group(s.group)
        shapes = {f: group.read(state.nodes[s.group], f).shape[:-1] for f in s.fields}
        values = {f: jnp.zeros((rows, *shape, len(s.index)), dtype) for f, shape in shapes.items()}
        samples[s.key] = SampleBuffer(jnp.zeros(rows, jnp.int32), values, zero)
    trails = {
        key: Trail(jnp.zeros(room + 1, jnp.int32), jnp.zeros(room + 1, jnp.int32), jnp.zeros(room + 1, dtype), zero)
        for key, room in trail_room.items()
    }
    return Buffers(spikes, samples, trails)


def advance(
    plan: Plan,
    fire: Callable[[Any], Any],
    params: Mapping[str, Any],
    connections: Mapping[str, Any],
    state: State,
    buffers: Buffers,
    n_steps: Any,
) -> tuple[State, Buffers]:
    """Advance `state` by up to `n_steps` (traced): until done, a buffer could overflow in the next slice, or a value
    is not finite. How far it went is in ``state.step``."""
    bound = bind(plan, params, connections)
    state = rebased(plan, params, state)
    end = state.step + n_steps
    buffers = empty(buffers)

    def more(carry: tuple[State, Buffers, Any]) -> Any:
        state, buffers, ready = carry
        return (state.step < end) & (ready if plan.axis else _ready(plan, state, buffers))

    def one_slice(carry: tuple[State, Buffers, Any]) -> tuple[State, Buffers, Any]:
        state, buffers, ready = carry
        begin = state.step
        stop = jnp.minimum(end, begin - begin % plan.slice_steps + plan.slice_steps)

        def one_step(_: Any, carry: tuple[State, dict[str, SampleBuffer]]) -> tuple[State, dict[str, SampleBuffer]]:
            state, samples = carry
            state = step(plan, bound, fire, state, native=plan.native)
            return state, {s.key: _sample(plan, s, samples[s.key], state, bound) for s in plan.samplings}

        state, samples = lax.fori_loop(begin, stop, one_step, (state, buffers.samples))
        spikes = buffers.spikes
        if spikes is not None:
            spikes = _record(plan, spikes, state, begin, bound)
        complete = True if plan.slice_steps == 1 else state.step % plan.slice_steps == 0
        gathered = None
        if plan.axis:
            assert bound.here is not None
            mine = state.pending if complete is True else jnp.where(complete, state.pending, 0)
            ready = _ready(plan, state, Buffers(spikes, samples, buffers.trails))
            gathered, ready = gather(mine, bound.here.number, plan.n_all, ready, plan.axis, amplitudes=plan.multiple)
        state, trails = finish_slice(plan, bound, state, buffers.trails, complete, native=plan.native, gathered=gathered)
        return state, Buffers(spikes, samples, dict(trails)), ready

    return lax.while_loop(more, one_slice, (state, buffers, jnp.bool_(True)))[:2]


def _ready(plan: Plan, state: State, buffers: Buffers) -> Any:
    """Whether all is well, and buffers have room for another slice."""
    ready = state.fault < 0
    if buffers.spikes is not None:
        room = buffers.spikes.step.shape[0] - _BLOCK
        ready &= buffers.spikes.count + plan.slice_steps * plan.n_sources <= room
    for s in plan.samplings:
        ready &= buffers.samples[s.key].count + plan.slice_steps <= buffers.samples[s.key].step.shape[0]
    for t in plan.tables:
        if t.key in buffers.trails:
            ready &= buffers.trails[t.key].count + plan.slice_steps * t.n < buffers.trails[t.key].step.shape[0]
    return ready


def empty(buffers: Buffers) -> Buffers:
    """The same buffers with nothing in them."""
    zero = jnp.zeros((), jnp.int32)
    return Buffers(
        None if buffers.spikes is None else buffers.spikes._replace(count=zero),
        {k: b._replace(count=zero) for k, b in buffers.samples.items()},
        {k: b._replace(count=zero) for k, b in buffers.trails.items()},
    )


def _sample(plan: Plan, s: Sampling, buffer: SampleBuffer, state: State, bound: Bound) -> SampleBuffer:
    """Write the states after a step to the next row; keep the row if the multimeter samples here."""
    stamp = state.step
    keep = (stamp > s.start) & (stamp <= s.stop) & ((stamp - s.offset) % s.interval == 0) & (stamp >= s.offset)
    row = jnp.minimum(buffer.count, buffer.step.shape[0] - 1)
    index = slice_if_consecutive(s.index) if bound.here is None else bound.here.read[s.key]
    group, states = plan.group(s.group), state.nodes[s.group]
    values = {
        f: lax.dynamic_update_index_in_dim(v, group.read(states, f)[..., index].astype(v.dtype), row, 0)
        for f, v in buffer.values.items()
    }
    step = lax.dynamic_update_index_in_dim(buffer.step, stamp, row, 0)
    return SampleBuffer(step, values, buffer.count + keep)


def _record(plan: Plan, buffer: SpikeBuffer, state: State, begin: Any, bound: Bound) -> SpikeBuffer:
    """Append the spikes of the steps `begin` ... ``state.step - 1``, which lie in one slice."""
    recorded = jnp.asarray(plan.recorded) if bound.here is None else bound.here.recorded
    first = begin - begin % plan.slice_steps
    given = (state.pending, recorded, first, begin - first, state.step - first)
    return SpikeBuffer(*in_place("record", given, buffer)) if plan.native else _append(*given, buffer)


def _append(pending: Any, recorded: Any, first: Any, begin: Any, end: Any, buffer: SpikeBuffer) -> SpikeBuffer:
    """Append the spikes of the `recorded` sources in the rows `begin` ... `end` - 1 of `pending`; row 0 is step `first`."""
    n = recorded.shape[0]
    lags = jnp.arange(pending.shape[0], dtype=jnp.int32)
    now = (lags >= begin) & (lags < end)
    pending = pending[:, :n]
    packed = pack(((pending != 0) & now[:, None] & recorded[None]).ravel())
    flat = pending.ravel()
    offsets = jnp.arange(_BLOCK, dtype=jnp.int32)

    def block(carry: tuple[Any, SpikeBuffer]) -> tuple[Any, SpikeBuffer]:
        k, b = carry
        event = nth(packed, jnp.minimum(k + offsets, packed.total - 1))
        at = (b.count + k,)
        return k + _BLOCK, b._replace(
            step=lax.dynamic_update_slice(b.step, first + event // n + 1, at),
            source=lax.dynamic_update_slice(b.source, event % n, at),
            multiplicity=lax.dynamic_update_slice(b.multiplicity, flat[event], at),
        )

    _, buffer = lax.while_loop(lambda c: c[0] < packed.total, block, (jnp.int32(0), buffer))
    return buffer._replace(count=buffer.count + packed.total)
