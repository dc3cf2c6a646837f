"""`Simulation`: runs a network chunk by chunk, with progress, and collects what its recorders saw."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest._cache import enable_compilation_cache
from jaxnest._declare import Declared, Parameter, check_together, resolve
from jaxnest._time import as_steps
from jaxnest._values import Values
from jaxnest.devices._base import Device, Recorder, Source
from jaxnest.errors import ConfigurationError, SimulationError
from jaxnest.events import random
from jaxnest.neurons._base import Neuron
from jaxnest.simulation._advance import Buffers, Rooms, advance, make_buffers, rooms_of
from jaxnest.simulation._checks import on_grid
from jaxnest.simulation._network import Network, Population, Projection
from jaxnest.simulation._plan import Plan, State
from jaxnest.simulation._program import Program, initial_state
from jaxnest.simulation._recordings import Recordings, Spikes, Taken, Traces, Weights
from jaxnest.simulation._saving import resume, saving
from jaxnest.synapses._base import Synapse

_CHUNK_SECONDS = 0.5


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
        self.recordings = Recordings(self.program)
        rooms = rooms_of(self.program.plan)
        self.state, self._buffers = _begin(self.program.plan, rooms)(self.params, random.key_from_seed(seed))
        self._advance = compiled_advance(self.program.plan, self.program.fire)
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
            saver = None if checkpoint is None else stack.enter_context(saving(self, checkpoint, interval))
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
        self._record(buffers)
        if interrupted:
            raise interrupted
        fault = self._number(state.fault)
        if fault >= 0:
            self._report_fault(state, fault)
        moved = self._number(state.step) - before
        self._rate = moved / (clock.perf_counter() - started)
        return moved

    def _record(self, buffers: Buffers) -> None:
        self.recordings.add(buffers)

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

    # --- parameters -----------------------------------------------------------------------------------------------

    def set(self, owner: Population | Projection | str, **values: Any) -> None:
        """Change parameters (or states, such as V_m or the weights of plastic synapses) between runs.

        **Raises:** `ConfigurationError` for an unknown name, a wrong shape, a value out of bounds; nothing changes
        then.
        """
        name = owner if isinstance(owner, str) else owner.name
        seen = self._seen(self.params, name), self._seen(self.state, name)
        params, state = self._changed(name, *seen, {raw.rstrip("_"): value for raw, value in values.items()})
        self.params, self.state = self._written(self.params, seen[0], params), self._written(self.state, seen[1], state)

    def _seen(self, tree: Any, owner: str) -> Any:
        """Of parameters or a state at least what belongs to a population or a projection, as on one device."""
        return tree

    def _written(self, tree: Any, seen: Any, new: Any) -> Any:
        """`tree` with what changed from `seen` to `new`."""
        return _own(new) if isinstance(new, State) and new is not seen else new

    def _changed(self, name: str, params: Any, state: State, values: dict[str, Any]) -> tuple[Any, State]:
        """Parameters and state of the network with other values of a population or a projection."""
        model = self.network[name].model
        if issubclass(model, Device) and not issubclass(model, Neuron):
            return self._with_device(self.network[name], params, values), state  # type: ignore[arg-type]
        for key, value in values.items():
            if issubclass(model, Synapse) and key in model.common and np.ndim(value):
                raise ConfigurationError(f"{name}.{key} is common to all synapses of {model.name}: give one number")
            declared = model.parameters.get(key, model.states.get(key))
            if declared is not None:
                value = declared.chosen(value) if isinstance(declared, Parameter) else value
                fault = declared.fault(np.asarray(value, np.float64))
                if fault:
                    raise ConfigurationError(f"{name}.{key}={value!r} {fault}")
            if self._in_state(model, key):
                state = self.program.set(state, {f"{name}.{key}": value})
                continue
            params = self.program.set(params, {f"{name}.{key}": value})
        if issubclass(model, Neuron):
            new = {key: np.asarray(self.program.get(params, f"{name}.{key}")) for key in model.parameters}
            check_together(model, name, new)
        return params, state

    def _with_device(self, pop: Population, params: Any, changes: dict[str, Any]) -> Any:
        """The parameters with other ones of a generator. Lists (of times, of values) may get another length."""
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
        dtype = params["h"].dtype
        leaves = params["nodes"][pop.name]
        if issubclass(model, Source):
            if options["weighted"] and "spike_weights" not in leaves:
                raise ConfigurationError(f"{pop.name}.spike_weights: give them (1 each) already when creating it")
            given = dict(options)
            given["weighted"] = "spike_weights" in leaves
            leaves = Values(model.leaves(given, values, h, dtype))
        else:
            leaves = leaves.replace(**{k: np.atleast_1d(values[k]).astype(dtype) for k in changes})
        self._devices[pop.name] = values, options
        return {**params, "nodes": {**params["nodes"], pop.name: jax.tree.map(jnp.asarray, leaves)}}

    def get(self, owner: Population | Projection | str, key: str) -> np.ndarray:
        """The present value of a parameter or a state, one a node or connection."""
        name = owner if isinstance(owner, str) else owner.name
        key = key.rstrip("_")
        tree = self.state if self._in_state(self.network[name].model, key) else self.params
        return np.asarray(self.program.get(self._seen(tree, name), f"{name}.{key}"))

    @staticmethod
    def _in_state(model: type[Declared], key: str) -> bool:
        """Whether a value belongs to the state: the weights of static synapses do not."""
        return key in model.states and not (key == "weight" and issubclass(model, Synapse) and model.static)

    # --- recordings -----------------------------------------------------------------------------------------------

    def take(self) -> Taken:
        """What was recorded since the last call, as the loop wrote it; it is forgotten here."""
        return self.recordings.take()

    def spikes(self, recorder: Population) -> Spikes:
        """What a spike_recorder recorded so far."""
        return self.recordings.spikes(recorder)

    def traces(self, recorder: Population) -> Traces:
        """What a multimeter recorded so far."""
        return self.recordings.traces(recorder)

    def weights(self, projection: Projection) -> Weights:
        """What the weight_recorder of a projection recorded so far."""
        return self.recordings.weights(projection)


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
