"""The compiled network: pure functions of parameters, connections and state, and the way from names to arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest._time import as_steps
from jaxnest._values import Values
from jaxnest.errors import ConfigurationError
from jaxnest.events import random
from jaxnest.events.deliver import Queue
from jaxnest.events.history import Log, Window
from jaxnest.events.plastic import Plastic
from jaxnest.events.surrogate import spike_function
from jaxnest.simulation._arrays import slice_if_consecutive
from jaxnest.simulation._compile import compile_plan
from jaxnest.simulation._names import Names
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import Group, Plan, Relaxation, State
from jaxnest.simulation._relative import with_origins
from jaxnest.simulation._slices import Slices, by_recorder, ready, sampled
from jaxnest.simulation._step import emitted


class Record(NamedTuple):
    """What `Program.simulate` recorded.

    `times` (n_steps,) ms, the right edges of the steps. `spikes`: by spike_recorder (n_steps, n_recorded), 0 or 1
    (or a multiplicity), with surrogate derivatives. `traces`: by multimeter, a `Values` of recordables, each
    (n_samples, n_recorded), one sample every `interval` from the first multiple of it on. Both cover the whole time
    simulated: the `start` and `stop` of recorders are `Simulation`'s.
    """

    times: Any
    spikes: dict[str, Any]
    traces: dict[str, Values]


class Program(Names):
    """A network laid out for running: see `Network.compile`.

    `params` and `connections` are pytrees (parameters, weights and initial states; event tables); `init` makes a
    state, `simulate` advances it. All are pure and may be used under `jax.jit`, `jax.grad`, `jax.vmap`.

    **Arguments:**

    - `delivery`: ``"events"`` visits the connections of sources that spike, ``"dense"`` all of them in every step: faster
      in small networks, and needed to differentiate plastic synapses. ``"auto"`` chooses by the number of connections.
      ``"matrix"`` makes matrix products of static projections that connect all with all, with one delay, which is what
      layers of some hundred neurons and batches (`jax.vmap`) want; the others are as with "auto".
    - `lowering`: ``"native"`` runs events, histories and Poisson numbers in C++ on the CPU, ``"xla"`` everything in XLA,
      ``"auto"`` what is there. Networks of a given `delivery` compute the same in both.
    - `surrogate`: what stands for the derivative of a spike: a name or a function, see `jaxnest.learning`; times `dampening`.
    - `reset`: ``"detached"``: surrogate derivatives do not flow through resets; ``"attached"``: they do, as by the formula
      V (1 - spike) + V_reset spike.
    - `solver`: for models with differential equations: ``"adaptive"`` is GSL's RKF45 with NEST's tolerances; ``"fixed"`` makes
      `substeps` equal RKF45 steps and has reverse-mode gradients.
    - `min_delay` (ms): spikes are delivered so often. It changes results only where synapses have a modulator (see
      `volume_transmitter`), by default to the network's shortest delay.
    - `relaxation`: a `Relaxation`: the tolerance, number of iterations and interpolation of gap junctions.
    - `waiting` (ms): what arrives at a frozen neuron in a step waits, as in NEST, for the first step that is so much, or a multiple of it,
      later and in which the neuron is not frozen. By default the sum of the network's shortest and longest delay.

    **Raises:** `ConfigurationError` for an unknown option.
    """

    def __init__(
        self,
        network: Network,
        *,
        delivery: str = "auto",
        lowering: str = "auto",
        surrogate: str | Callable[[Any], Any] = "fast_sigmoid",
        dampening: float = 1.0,
        reset: str = "detached",
        solver: str = "adaptive",
        substeps: int = 1,
        min_delay: float | None = None,
        waiting: float | None = None,
        relaxation: Relaxation | None = None,
    ) -> None:
        self.plan: Plan
        self.fire = spike_function(surrogate, dampening)
        options: dict[str, Any] = {
            "delivery": delivery,
            "lowering": lowering,
            "solver": solver,
            "substeps": substeps,
            "reset": reset,
        }
        self.plan, build = compile_plan(network, **options, min_delay=min_delay, waiting=waiting, relaxation=relaxation)
        tables = jax.device_put(build.params.pop("tables"))  # unlike asarray, does not copy aligned arrays
        self.params = {**jax.device_put(jax.tree.map(np.array, build.params)), "tables": tables}
        super().__init__(network, self.plan, build.layouts, build.index, jax.device_put(build.connections))

    def init(self, params: Mapping[str, Any] | None = None, seed: Any = 0) -> State:
        """The state at time 0, a pure function of the parameters (initial states and weights are among them).

        `seed` is an integer, or a key (uint32[2]) from `jaxnest.events.random.key_from_seed`, so that it may be
        traced or mapped over.
        """
        key = random.key_from_seed(int(seed)) if isinstance(seed, (int, np.integer)) else jnp.asarray(seed, jnp.uint32)
        return initial_state(self.plan, self.params if params is None else params, key)

    def simulate(
        self,
        params: Mapping[str, Any],
        connections: Mapping[str, Any],
        state: State,
        time: float,
        *,
        checkpoint: bool = False,
    ) -> tuple[State, Record]:
        """Advance `state` by `time` (ms, static) and record what the network's recorders ask for: differentiable.

        With `checkpoint`, the backward pass keeps states at about sqrt(number of slices) places only and computes
        the rest again.

        **Raises:** `ConfigurationError` if `time` is no multiple of h, or negative.
        """
        n_steps = steps_of(time, self.h)
        bound, state = ready(self.plan, params, connections, state)
        first = state.step
        state, record = Slices(self.plan, self.fire, bound, partial(_read, self.plan)).run(state, n_steps, checkpoint)
        spikes, traces = record or ({}, {s.key: Values() for s in self.plan.samplings})
        times = (first + 1 + jnp.arange(n_steps)) * bound.h
        return state, Record(times, spikes, self.sampled(traces, first, n_steps))

    def sampled(self, traces: Mapping[str, Any], first: Any, n_steps: int) -> dict[str, Values]:
        """Keep every `interval`-th step, and join what one multimeter read from several groups."""
        return by_recorder(self.plan, sampled(self.plan, traces, first, n_steps))


def steps_of(time: float, h: float) -> int:
    """The steps of a run of `time` ms.

    **Raises:** `ConfigurationError` if it is no multiple of h, or negative.
    """
    n_steps = int(as_steps("time", time, h))
    if n_steps < 0:
        raise ConfigurationError(f"time={time!r} must not be negative")
    return n_steps


def _read(plan: Plan, state: State) -> tuple[dict[str, Any], dict[str, Values]]:
    """The spikes and states, after a step, that recorders want."""
    spiked = emitted(plan, state)
    spikes = {r.recorder: spiked[slice_if_consecutive(r.sources)] for r in plan.recordings}
    return spikes, plan.traces(state.nodes)


def initial_state(plan: Plan, params: Mapping[str, Any], key: Any) -> State:
    """The state at time 0, with a random key (uint32[2])."""
    dtype = params["h"].dtype
    nodes: dict[str, Any] = {g.key: _initial(g, params["nodes"][g.key], dtype) for g in plan.groups}
    for d in plan.drives:
        nodes[d.key] = _initial_states(d.model, params["nodes"][d.population], d.n_states, {}, dtype)
    tables = {}
    for t in plan.tables:
        if t.model is None:
            continue
        synapse = _initial_states(t.model, params["tables"][t.key], t.n, {}, dtype)
        none = jnp.zeros((), jnp.int32), None if t.modulator is None else jnp.zeros((), jnp.int32)
        tables[t.key] = Plastic(synapse, jnp.zeros(plan.n_all, jnp.int32), *none)
    history: dict[str, Any] = {}
    for g in plan.groups:
        if g.plastic:
            if plan.dense:
                history[g.key] = Window.zeros(plan.window_length, g.n, dtype)
            else:
                history[g.key] = Log.zeros(plan.log_length, g.n, dtype, g.multiple)
    return State(
        step=jnp.zeros((), jnp.int32),
        key=key,
        ring=jnp.zeros((plan.slots, plan.columns), dtype),
        pending=jnp.zeros((plan.slice_steps, plan.n_sources + 2 * plan.n_weighted), dtype),
        nodes=nodes,
        tables=tables,
        history=history,
        queue=Queue.zeros(plan.slots, plan.n_all, dtype) if any(map(plan.deferred, plan.tables)) else None,
        signals={s.name: jnp.zeros((s.slots, s.n), dtype) for s in plan.signals if s.slots},
        fault=jnp.full((), -1, jnp.int32),
    )


def _initial(g: Group, p: Values, dtype: Any) -> Values:
    return with_origins(g.model, p, _initial_states(g.model, p, g.n, dict(g.dims), dtype))


def _initial_states(model: Any, p: Values, n: int, dims: Mapping[str, int], dtype: Any) -> Values:
    """The states of `n` nodes or synapses: as given among the parameters, else as the model declares."""
    states: dict[str, Any] = {}
    for name, state in model.states.items():
        if name in p:
            value = p[name]
        elif isinstance(state.init, str):
            value = p[state.init]
        else:
            value = state.init(p) if callable(state.init) else state.init
        shape = (n,) if state.dim is None else (dims.get(state.dim, state.dim), n)
        kind = jnp.int32 if state.dtype == "int" else dtype
        states[name] = jnp.broadcast_to(jnp.asarray(value, kind), shape)
    return Values(states)
