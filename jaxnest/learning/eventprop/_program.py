"""`EventProp`: a compiled network whose spikes have differentiable times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnest._declare import Declared
from jaxnest._time import as_steps
from jaxnest._values import Values
from jaxnest.errors import ConfigurationError
from jaxnest.learning.eventprop._forward import Operands, TimedState
from jaxnest.learning.eventprop._neurons import Parts, fault
from jaxnest.learning.eventprop._run import run
from jaxnest.simulation._network import Network
from jaxnest.simulation._plan import Plan
from jaxnest.simulation._program import Program
from jaxnest.simulation._relative import rebased
from jaxnest.simulation._step import bind

#: the parameter of a projection that lengthens its delays by a part of a step
LATE = "delay_offset"


class TimedRecord(NamedTuple):
    """What `EventProp.simulate` recorded.

    `times` (n_steps,) ms, the right edges of the steps. By spike_recorder: `spikes` (n_steps, n), whether there was a spike in the step, without
    derivative; `spike_times` (n_steps, n) ms, its exact time, inf where there was none: differentiable. `traces`: by
    multimeter, a `Values` of recordables, each (n_samples, n).
    """

    times: Any
    spikes: dict[str, Any]
    spike_times: dict[str, Any]
    traces: dict[str, Values]

    def first(self, recorder: str, k: int = 1) -> Any:
        """The times (k, n) of the first `k` spikes of each neuron, inf where there are fewer: differentiable."""
        return jnp.sort(self.spike_times[recorder], axis=0)[:k]


class EventProp:
    """Exact gradients with respect to the times of spikes, without surrogates: the adjoint of a network with sub-step spike times.

    Spikes have times between the points of the grid: a neuron of which V_m reaches V_th in a step has spiked where the line between
    V_m at both ends crosses it; it is held at V_reset from then for `t_ref`, and its events reach their targets after exactly their delays,
    shared between the two points of the grid around that time. So everything recorded is a continuous function of weights, delays,
    parameters and input times as long as no spike comes or goes, and its derivative is computed back along the same rows: work and memory
    of events grow with spikes. For h → 0 the network is that of Wunderlich & Pehle (2021), and so is the gradient.

    A spike that comes or goes has no derivative: a neuron that is silent has no gradient (see `jaxnest.learning` for surrogates).

    **Arguments:** `network`, of models that are `timed` (integrate-and-fire with a fixed threshold: iaf_psc_delta, iaf_psc_exp, iaf_psc_alpha and
    their likes), static synapses with delays of at least two steps, spike generators and other generators. `learn_delays`: give every projection
    a parameter ``delay_offset`` (ms, 0 <= it < h, one a connection), by which its delays are longer than on the grid, and which has the
    derivative of the delay. `delivery` is ``"events"`` or ``"matrix"`` (layers, batches); `lowering` as in `Program`.

    Attributes `params`, `connections` as those of `Program`, to which `get` and `set` belong.

    **Raises:** `ConfigurationError` for a network with anything else.

    Source: Wunderlich & Pehle (2021), Sci Rep 11:12829.
    """

    def __init__(
        self, network: Network, *, learn_delays: bool = False, delivery: str = "events", lowering: str = "auto"
    ) -> None:
        if delivery not in ("events", "matrix"):
            raise ConfigurationError(f"EventProp: delivery={delivery!r} must be 'events' or 'matrix'")
        self.program = Program(network, delivery=delivery, lowering=lowering)
        self.h = self.program.h
        self.plan = _timed_plan(self.program.plan, self.program.params, self.program.connections)
        self.connections = self.program.connections
        self.params: dict[str, Any] = dict(self.program.params)
        if learn_delays:
            dtype = self.params["h"].dtype
            late = {t.key: {LATE: jnp.zeros(t.n, dtype)} for t in self.plan.tables}
            tables = {k: Values({**p, **late.get(k, {})}) for k, p in self.params["tables"].items()}
            self.params["tables"] = tables

    def get(self, params: Mapping[str, Any], path: str) -> Any:
        """The values at `path` in `params` or a gradient: see `Program.get`."""
        return self.program.get(params, path)

    def set(self, params: Any, changes: Mapping[str, Any]) -> Any:
        """A copy of `params` with the values at some paths exchanged: see `Program.set`."""
        return self.program.set(params, changes)

    def model_of(self, owner: str) -> type[Declared]:
        """The model that `owner` in a path has: see `Program.model_of`."""
        return self.program.model_of(owner)

    def init(self, params: Mapping[str, Any] | None = None, seed: Any = 0) -> TimedState:
        """The state at time 0: see `Program.init`."""
        state = self.program.init(self.params if params is None else params, seed)
        ring = jnp.zeros((self.plan.slots, self.plan.columns), state.ring.dtype)
        part = {g.key: jnp.ones(g.n, state.ring.dtype) for g in self.plan.groups}
        return TimedState(state.step, state.key, ring, state.nodes, part)

    def simulate(
        self, params: Mapping[str, Any], connections: Mapping[str, Any], state: TimedState, time: float, *, checkpoint: int = 1
    ) -> tuple[TimedState, TimedRecord]:
        """Advance `state` by `time` (ms, static): differentiable in reverse mode.

        With `checkpoint` > 1 the way back keeps what it needs of one of that many stretches of time only, and runs each again: memory falls by that
        factor, time grows by one forward run.

        **Raises:** `ConfigurationError` if `time` is no multiple of h, or not positive.
        """
        n_steps = int(as_steps("time", time, self.h))
        if n_steps < 1:
            raise ConfigurationError(f"time={time!r} must be a multiple of h={self.h} and positive")
        operands = self._operands(params, connections)
        state = rebased(self.plan, params, state)
        first, parts = state.step, []
        for n in _stretches(self.plan, n_steps, checkpoint):

            def stretch(operands: Operands, state: TimedState, n: int = n) -> Any:
                return run(self.plan, n, operands, state)

            state, recorded = (jax.checkpoint(stretch) if checkpoint > 1 else stretch)(operands, state)
            parts.append(recorded)
        recorded = jax.tree.map(lambda *x: jnp.concatenate(x), *parts)
        h = operands.parts.h
        times = (first + 1 + jnp.arange(n_steps)) * h
        spike_times = {
            name: jnp.where(recorded.spiked[name], times[:, None] + (fraction - 1.0) * h, jnp.inf)
            for name, fraction in recorded.fraction.items()
        }
        traces = self.program.sampled(recorded.traces, first, n_steps)
        return state, TimedRecord(times, dict(recorded.spiked), spike_times, traces)

    def _operands(self, params: Mapping[str, Any], connections: Mapping[str, Any]) -> Operands:
        bound = bind(self.plan, params, connections)
        tables, h = params["tables"], params["h"]
        return Operands(
            parts=Parts(
                {g.key: params["nodes"][g.key] for g in self.plan.groups},
                {g.key: bound.constants[g.key] for g in self.plan.groups},
                h,
            ),
            sources={s.key: params["nodes"][s.key] for s in self.plan.sources},
            weight={k: p.weight for k, p in tables.items()},
            late={t.key: tables[t.key][LATE] / h if LATE in tables[t.key] else None for t in self.plan.tables},
            drives={d.key: bound.constants[d.key] for d in self.plan.drives},
            connections=connections,
        )


def _stretches(plan: Plan, n_steps: int, checkpoint: int) -> list[int]:
    """Lengths in steps of about `checkpoint` stretches of whole slices, and a rest."""
    if checkpoint <= 1:
        return [n_steps]
    slices = -(-n_steps // plan.slice_steps)
    each = -(-slices // checkpoint) * plan.slice_steps
    return [min(each, n_steps - done) for done in range(0, n_steps, each)]


def _timed_plan(plan: Plan, params: Mapping[str, Any], connections: Mapping[str, Any]) -> Plan:
    """The plan with slices that are one step shorter than every delay.

    **Raises:** `ConfigurationError` for what has no differentiable spike times.
    """
    for g in plan.groups:
        wrong = fault(g.model, params["nodes"][g.key])
        if wrong:
            raise ConfigurationError(f"EventProp: {wrong}")
    for t in plan.tables:
        if t.model is not None:
            raise ConfigurationError(f"EventProp: {t.model.name} has no derivative here; static_synapse has")
    shortest = min((int(connections[t.key].delay.min()) for t in plan.tables), default=plan.slice_steps + 1)
    if shortest < 2:
        raise ConfigurationError("EventProp: delays must be at least two steps of h; give longer ones, or a smaller h")
    if any(g.frozen is not None for g in plan.groups) or any(s.frozen is not None for s in plan.sources):
        raise ConfigurationError("EventProp: frozen nodes have no derivative here; leave them out")
    for s in plan.sources:
        if s.weighted:
            raise ConfigurationError(f"EventProp: {s.key} has spike_weights, which have no derivative here; leave them out")
    neurons = sum(g.n for g in plan.groups)
    for r in plan.recordings:
        if (r.sources >= neurons).any():
            raise ConfigurationError(f"EventProp: {r.recorder} records generators; connect it to neurons only")
    length = min(plan.slice_steps, shortest - 1)
    return replace(plan, slice_steps=length, slots=plan.slots + length)  # generators of a slice write before it is read
