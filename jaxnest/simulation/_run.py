"""`Simulation`: runs a network chunk by chunk, with progress, and collects what its recorders saw."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest._cache import enable_compilation_cache
from jaxnest._declare import check_together, nearest, resolve
from jaxnest._time import as_steps
from jaxnest._values import Values
from jaxnest.devices._base import Device, Recorder, Source
from jaxnest.errors import ConfigurationError, SimulationError
from jaxnest.events import random
from jaxnest.neurons._base import Neuron
from jaxnest.simulation._advance import Buffers, advance, make_buffers
from jaxnest.simulation._checks import on_grid
from jaxnest.simulation._network import Network, Population, Projection
from jaxnest.simulation._plan import Plan, State
from jaxnest.simulation._program import Program, initial_state
from jaxnest.simulation._saving import Saver, resume

_SPIKE_ROOM = 1 << 18
_SAMPLE_BYTES = 1 << 26
_TRAIL_ROOM = 1 << 22
_CHUNK_SECONDS = 0.5


@dataclass(frozen=True)
class Spikes:
    """Recorded spikes in order of time: `times` (n,) ms, `senders` (n,) positions among the recorded nodes (in the
    order in which they were connected), `ids` (n,) global identities. A multiplicity m stands m times."""

    times: np.ndarray
    senders: np.ndarray
    ids: np.ndarray
    n_nodes: int

    def __len__(self) -> int:
        return len(self.times)

    def by_sender(self) -> list[np.ndarray]:
        """The spike times of each node."""
        order = np.argsort(self.senders, kind="stable")
        return np.split(self.times[order], np.cumsum(np.bincount(self.senders, minlength=self.n_nodes))[:-1])


@dataclass(frozen=True)
class Traces:
    """What a multimeter recorded: `times` (n_samples,) ms; each recordable (n_samples, n_nodes), by name or attribute."""

    times: np.ndarray
    ids: np.ndarray
    values: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name not in self.values:
            raise AttributeError(f"no recordable {name!r}; {nearest(name, list(self.values))}")
        return self.values[name]


@dataclass(frozen=True)
class Weights:
    """What a weight_recorder recorded: for each event its `times` (n,) ms, `connections` (n,) places among the
    projection's connections (`Program.connections_of`), and `weights` (n,)."""

    times: np.ndarray
    connections: np.ndarray
    weights: np.ndarray


#: of spikes, of rows of samples, and of the weights of each recorded table
Rooms = tuple[int, int, tuple[tuple[str, int], ...]]

#: structures whose compiled programs are kept for the next network of the same: each takes some 100 memory maps of the 65,530
#: that Linux gives a process
_SHARED = 32


@lru_cache(_SHARED)
def compiled_advance(plan: Plan, fire: Callable[[Any], Any]) -> Any:
    """The loop, compiled once for all networks of one structure."""
    return jax.jit(partial(advance, plan, fire), donate_argnums=(2, 3))


@lru_cache(_SHARED)
def _begin(plan: Plan, rooms: Rooms) -> Any:
    """The state and the buffers at time 0: one program, where every zero would else be one."""
    return jax.jit(partial(begin, plan, rooms))


def begin(plan: Plan, rooms: Rooms, params: Any, key: Any) -> tuple[State, Buffers]:
    """The state and the buffers at time 0."""
    state = initial_state(plan, params, key)
    spikes, rows, trails = rooms
    return _own((state, make_buffers(plan, state, spike_room=spikes, rows=rows, trail_room=dict(trails))))


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


class Taken(NamedTuple):
    """Raw recordings: `spikes` (step of the right edge, source, multiplicity), each (n,); `samples` by sampling of the plan:
    steps (rows,) and the values by name (…, rows, n); `trails` by table: (step of emission, place in the table, weight)."""

    spikes: tuple[np.ndarray, ...]
    samples: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]]
    trails: Mapping[str, tuple[np.ndarray, ...]]


class Simulation:
    """A network that is being simulated: a program, its parameters, and the state so far.

    **Arguments:** `network`; `seed`: of all that is drawn while simulating; further options as of `Program`.

    `run` may be called again and again; splitting a run never changes a result.
    """

    def __init__(self, network: Network, seed: int = 0, **options: Any) -> None:
        enable_compilation_cache()
        self.network = network
        self.program = Program(network, **options)
        self.params = self.program.params
        self.connections = self.program.connections
        rooms = rooms_of(self.program.plan)
        self.state, self._buffers = _begin(self.program.plan, rooms)(self.params, random.key_from_seed(seed))
        self._advance = compiled_advance(self.program.plan, self.program.fire)
        self._begin_recording()

    def _begin_recording(self) -> None:
        plan = self.program.plan
        self._spikes: list[tuple[np.ndarray, ...]] = []
        self._samples: dict[str, list[tuple[np.ndarray, Any]]] = {s.key: [] for s in plan.samplings}
        self._trails: dict[str, list[tuple[np.ndarray, ...]]] = {t.key: [] for t in plan.tables if t.recorder}
        self._devices: dict[str, tuple[Mapping[str, np.ndarray], Mapping[str, Any]]] = {}
        self._rate = 0.0

    @property
    def time(self) -> float:
        """The time simulated so far, ms."""
        return round(self._number(self.state.step) * self.network.h, 6)

    def _number(self, value: Any) -> int:
        """A number of the state, on the host."""
        return int(value)

    def run(
        self,
        time: float,
        *,
        progress: bool = False,
        checkpoint: str | Path | None = None,
        every: float | None = None,
    ) -> Simulation:
        """Simulate `time` ms more; returns itself. With `progress`, show a bar with the real-time factor.

        With `checkpoint`, a folder, keep state, parameters, weights and recordings there (Orbax: ``pip install 'jaxnest[learn]'``) at the end, each
        `every` ms, and when SIGTERM comes, which then ends the process with `SystemExit`: `resume` goes on from there.

        Ctrl-C stops after the running chunk and keeps what was simulated (`KeyboardInterrupt` is raised then).

        **Raises:** `ConfigurationError` if `time` or `every` is no multiple of h; `SimulationError` if a membrane potential is
        not finite, with model, neuron and time.
        """
        total = int(as_steps("time", time, self.network.h))
        if total < 0:
            raise ConfigurationError(f"time={time!r} must not be negative")
        interval = None if every is None else int(as_steps("every", every, self.network.h))
        if interval is not None and (interval < 1 or checkpoint is None):
            raise ConfigurationError(f"every={every!r} must be positive, and needs a folder: checkpoint=")
        with ExitStack() as stack:
            bar = stack.enter_context(closing(_Bar(total, self.network.h))) if progress else None
            saver = None if checkpoint is None else stack.enter_context(Saver(self, checkpoint, interval))
            done = 0
            while done < total:
                n = min(total - done, self._chunk())
                moved = self._one_chunk(n if saver is None else saver.left(n))
                done += moved
                if saver:
                    saver.advance(moved, last=done == total)
                if bar:
                    bar.advance(moved)
        return self

    def resume(self, folder: str | Path) -> bool:
        """Bring a simulation of the same network, on any number of devices, to where the last checkpoint in `folder` was. Returns whether
        there was one.

        **Raises:** `ConfigurationError` if it is of another network.
        """
        return resume(self, folder)

    def agreed(self, flag: bool) -> bool:
        """Whether the flag is set in any process that takes part."""
        return flag

    def _chunk(self) -> int:
        """A number of steps that takes about half a second, by the speed seen so far."""
        return int(max(self._rate * _CHUNK_SECONDS, 200))

    def _one_chunk(self, n: int) -> int:
        before = self._number(self.state.step)
        started = clock.perf_counter()
        state, buffers = self._advance(self.params, self.connections, self.state, self._buffers, np.int32(n))
        self.state, self._buffers = state, buffers
        interrupted = None
        try:
            jax.block_until_ready(state.step)
        except KeyboardInterrupt as e:  # the chunk cannot be stopped: let it end, and keep what it recorded
            interrupted = e
        self._drain(buffers)
        if interrupted:
            raise interrupted
        fault = self._number(state.fault)
        if fault >= 0:
            self._report_fault(state, fault)
        moved = self._number(state.step) - before
        self._rate = moved / (clock.perf_counter() - started)
        return moved

    def _drain(self, buffers: Buffers) -> None:
        if buffers.spikes is not None:
            n = int(buffers.spikes.count)
            if n:
                b = buffers.spikes
                self._spikes.append(tuple(np.array(x[:n]) for x in map(np.asarray, (b.step, b.source, b.multiplicity))))
        for key, sample in buffers.samples.items():
            n = int(sample.count)
            if n:
                values = {f: np.array(np.asarray(v)[:n]) for f, v in sample.values.items()}
                self._samples[key].append((np.array(np.asarray(sample.step)[:n]), values))
        for key, trail in buffers.trails.items():
            n = int(trail.count)
            if n >= trail.step.shape[0]:
                raise SimulationError(
                    f"{key}: more weights in a slice than its weight_recorder has room for, through spikes of high "
                    "multiplicity; record a projection with fewer connections"
                )
            if n:
                self._trails[key].append(
                    tuple(np.array(np.asarray(x)[:n]) for x in (trail.step, trail.connection, trail.weight))
                )

    def _report_fault(self, state: State, fault: int) -> None:
        h = self.network.h
        when = f"in the step that ends at {(fault + 1) * h:.3f} ms"
        for g in self.program.plan.groups:
            for name, values in state.nodes[g.key].items():
                array = np.asarray(values)
                bad = np.flatnonzero(~np.isfinite(array.reshape(-1, g.n)).all(axis=0))
                if len(bad):
                    member = next(m for m in g.members if m.start <= bad[0] < m.start + m.n)
                    raise SimulationError(
                        f"{name} of {g.model.name} {member.population}[{bad[0] - member.start}] became "
                        f"{array[..., bad[0]]} {when} ({len(bad)} neurons in all); look at its input and parameters, "
                        "or use a smaller h"
                    )
        raise SimulationError(f"the sum of the states of a neuron overflowed {when}; use float64, or look at its input")

    # --- the whole state ------------------------------------------------------------------------------------------

    def whole_state(self) -> State:
        """The state as one device has it, arrays on the host."""
        return jax.tree.map(np.array, self.state)

    def take_state(self, state: State) -> None:
        """Go on from a `whole_state`, of a run of the same network with any number of devices."""
        self.state = _own(state)

    def whole_params(self) -> Any:
        """The parameters as one device has them, arrays on the host."""
        return jax.tree.map(np.array, self.params)

    def take_params(self, params: Any) -> None:
        """Use the `whole_params` of a run of the same network."""
        self.params = jax.tree.map(jnp.asarray, params)

    def recorded_arrays(self) -> dict[str, np.ndarray]:
        """What was recorded and not yet taken, as named arrays."""
        taken = self.take()
        self._spikes = [taken.spikes] if len(taken.spikes[0]) else []
        self._samples.update({key: [value] for key, value in taken.samples.items()})
        self._trails.update({key: [value] for key, value in taken.trails.items()})
        arrays = {f"spikes {k}": x for k, x in enumerate(taken.spikes)}
        for key, (steps, values) in taken.samples.items():
            arrays |= {f"samples {key}": steps, **{f"samples {key} {f}": v for f, v in values.items()}}
        for key, columns in taken.trails.items():
            arrays |= {f"trails {k} {key}": x for k, x in enumerate(columns)}
        return arrays

    def take_recorded(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Have recorded these `recorded_arrays`, and nothing else."""
        self._spikes = [tuple(arrays[f"spikes {k}"] for k in range(3))]
        for s in self.program.plan.samplings:
            steps = arrays.get(f"samples {s.key}")
            values = {f: arrays[f"samples {s.key} {f}"] for f in s.fields} if steps is not None else {}
            self._samples[s.key] = [] if steps is None else [(steps, values)]
        for key in self._trails:
            there = f"trails 0 {key}" in arrays
            self._trails[key] = [tuple(arrays[f"trails {k} {key}"] for k in range(3))] if there else []

    # --- parameters -----------------------------------------------------------------------------------------------

    def set(self, owner: Population | Projection | str, **values: Any) -> None:
        """Change parameters (or states, such as V_m or the weights of plastic synapses) between runs.

        **Raises:** `ConfigurationError` for an unknown name, a wrong shape, a value out of bounds; nothing changes
        then.
        """
        name = owner if isinstance(owner, str) else owner.name
        params, state = self.params, self.state
        model = self.network[name].model
        if issubclass(model, Device):
            self._set_device(self.network[name], {raw.rstrip("_"): value for raw, value in values.items()})  # type: ignore[arg-type]
            return
        for raw, value in values.items():
            key = raw.rstrip("_")
            if key in getattr(model, "common", ()) and np.ndim(value):
                raise ConfigurationError(f"{name}.{key} is common to all synapses of {model.name}: give one number")
            declared = model.parameters.get(key, model.states.get(key))
            if declared is not None:
                fault = declared.fault(np.asarray(value, np.float64))
                if fault:
                    raise ConfigurationError(f"{name}.{key}={value!r} {fault}")
            if key in model.states and not (key == "weight" and getattr(model, "static", False)):
                state = self.program.set(state, {f"{name}.{key}": value})
                continue
            params = self.program.set(params, {f"{name}.{key}": value})
        if issubclass(model, Neuron):
            new = {key: np.asarray(self.program.get(params, f"{name}.{key}")) for key in model.parameters}
            check_together(model, name, new)
        self.params, self.state = params, _own(state)

    def _set_device(self, pop: Population, changes: dict[str, Any]) -> None:
        """Change a generator. Lists (of times, of values) may get another length."""
        model, h, n = pop.model, self.network.h, pop.n
        if issubclass(model, Recorder):
            raise ConfigurationError(f"{pop!r}: the settings of a recorder cannot change once the network is compiled")
        values, options = self._devices.get(pop.name, (pop.values, pop.options))
        chosen = {k: changes.pop(k) for k in list(changes) if k in model.options}  # type: ignore[attr-defined]
        if changes.keys() & model.states.keys():
            raise ConfigurationError(f"{pop!r}: the states of a generator, one for each connection, cannot be set")
        old = {k: values[k] if p.dim is None else _listed(values[k]) for k, p in model.parameters.items()}
        resolved, _ = resolve(model, pop.name, n, {**old, **changes}, self.network.generator(3, pop.first))
        if chosen:
            options = model.read_options(pop.name, n, {**options.get("given", options), **chosen}, h)  # type: ignore[attr-defined]
        values = on_grid(model, pop.name, resolved, h, bool(options.get("allow_offgrid_times")))
        dtype = self.params["h"].dtype
        leaves = self.params["nodes"][pop.name]
        if issubclass(model, Source):
            if options["weighted"] and "spike_weights" not in leaves:
                raise ConfigurationError(f"{pop.name}.spike_weights: give them (1 each) already when creating it")
            given = dict(options)
            given["weighted"] = "spike_weights" in leaves
            leaves = Values(model.leaves(given, values, h, dtype))
        else:
            leaves = leaves.replace(**{k: np.atleast_1d(values[k]).astype(dtype) for k in changes})
        self._devices[pop.name] = values, options
        self.params = {**self.params, "nodes": {**self.params["nodes"], pop.name: jax.tree.map(jnp.asarray, leaves)}}

    def get(self, owner: Population | Projection | str, key: str) -> np.ndarray:
        """The present value of a parameter or a state, one a node or connection."""
        name = owner if isinstance(owner, str) else owner.name
        key = key.rstrip("_")
        path = f"{name}.{key}"
        model = self.network[name].model
        in_state = key in model.states and not (key == "weight" and getattr(model, "static", False))
        return np.asarray(self.program.get(self.state if in_state else self.params, path))

    # --- recordings -----------------------------------------------------------------------------------------------

    def take(self) -> Taken:
        """What was recorded since the last call, as the loop wrote it; it is forgotten here."""
        empty = np.empty(0, np.int32)

        def join(rows: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
            return tuple(np.concatenate([r[i] for r in rows]) if rows else empty for i in range(3))

        samples = {
            key: (
                np.concatenate([c[0] for c in chunks]),
                {f: np.concatenate([c[1][f] for c in chunks]) for f in chunks[0][1]},
            )
            for key, chunks in self._samples.items()
            if chunks
        }
        taken = Taken(join(self._spikes), samples, {key: join(rows) for key, rows in self._trails.items() if rows})
        self._spikes, self._samples = [], {key: [] for key in self._samples}
        self._trails = {key: [] for key in self._trails}
        return taken

    def spikes(self, recorder: Population) -> Spikes:
        """What a spike_recorder recorded so far."""
        plan = self.program.plan
        recording = next((r for r in plan.recordings if r.recorder == recorder.name), None)
        if recording is None:
            raise ConfigurationError(f"{recorder!r} is no spike_recorder that is connected")
        empty = np.empty(0, np.int32)
        step, source, count = (np.concatenate([c[i] for c in self._spikes]) if self._spikes else empty for i in range(3))
        position = np.full(plan.n_all, -1, np.int32)
        position[recording.sources] = np.arange(len(recording.sources))
        keep = (position[source] >= 0) & (step > recording.start) & (step <= recording.stop)
        step, source, count = step[keep], source[keep], np.abs(np.round(count[keep])).astype(int)
        if (count != 1).any():
            step, source = np.repeat(step, count), np.repeat(source, count)
        return Spikes(np.round(step * self.network.h, 6), position[source], plan.source_ids[source], len(recording.sources))

    def traces(self, recorder: Population) -> Traces:
        """What a multimeter recorded so far."""
        parts = [s for s in self.program.plan.samplings if s.recorder == recorder.name]
        if not parts:
            raise ConfigurationError(f"{recorder!r} is no multimeter that is connected and records something")
        joined: dict[str, list[np.ndarray]] = {f: [] for f in parts[0].fields}
        steps = np.empty(0, np.int32)
        for s in parts:
            chunks = self._samples[s.key]
            steps = np.concatenate([c[0] for c in chunks]) if chunks else steps
            for f in s.fields:
                none = np.empty((0, len(s.index)))
                joined[f].append(np.concatenate([c[1][f] for c in chunks]) if chunks else none)
        values = {f: np.concatenate(v, axis=-1) for f, v in joined.items()}
        return Traces(np.round(steps * self.network.h, 6), np.concatenate([s.senders for s in parts]), values)

    def weights(self, projection: Projection) -> Weights:
        """What the weight_recorder of a projection recorded so far."""
        if projection.weight_recorder is None:
            raise ConfigurationError(f"{projection!r} has no weight_recorder; give it one in connect")
        collected, offset = [], 0
        for key, _, n in self.program.connection_parts(projection.name):
            chunks = self._trails[key]
            columns = [np.concatenate([c[i] for c in chunks]) if chunks else np.empty(0, np.int32) for i in range(3)]
            collected.append((columns[0] + 1, columns[1] + offset, columns[2]))
            offset += n
        step, connection, weight = (np.concatenate([c[i] for c in collected]) for i in range(3))
        order = np.argsort(step, kind="stable")
        return Weights(np.round(step[order] * self.network.h, 6), connection[order], weight[order])


def _listed(values: np.ndarray) -> np.ndarray:
    """Values (k, 1) or (k, n) of a list parameter as a user gives them: (k,) or (n, k)."""
    return values[:, 0] if values.shape[1] == 1 else values.T


def _own(tree: Any) -> Any:
    """A copy in which no two leaves share memory, so that the compiled loop may work in place."""
    return jax.tree.map(lambda x: jnp.array(x, copy=True), tree)


class _Bar:
    """A progress bar in ms of simulated time, with the real-time factor."""

    def __init__(self, steps: int, h: float) -> None:
        from tqdm.auto import tqdm

        self._h, self._started, self._done = h, clock.perf_counter(), 0.0
        self._bar = tqdm(total=round(steps * h, 3), unit="ms", bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} ms{postfix}")

    def advance(self, steps: int) -> None:
        self._done += steps * self._h
        factor = (clock.perf_counter() - self._started) * 1000 / self._done if self._done else float("nan")
        self._bar.set_postfix_str(f"real-time factor {factor:.2f}", refresh=False)
        self._bar.update(round(steps * self._h, 3))

    def close(self) -> None:
        self._bar.close()
