"""The differentiable loop behind `Program.simulate`: scans over slices and over the steps inside, which record dense arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnest._values import Values
from jaxnest.errors import ConfigurationError
from jaxnest.simulation._foreseen import foreseen
from jaxnest.simulation._plan import Plan, State
from jaxnest.simulation._relative import rebased
from jaxnest.simulation._step import Bound, bind, finish_slice, flush, step


@dataclass(frozen=True)
class Slices:
    """What a run does in every step and slice. `read(state)`: what is recorded after a step, a pytree; `gather`, where the network is parted: a
    function of the spikes (L, n_sources) of a slice of this part that gives those (L, n_all) of all."""

    plan: Plan
    fire: Callable[[Any], Any]
    bound: Bound
    read: Callable[[State], Any]
    gather: Callable[[Any], Any] | None = None

    def run(self, state: State, n_steps: int, checkpoint: bool) -> tuple[State, Any]:
        """`n_steps` steps from any place in a slice on: the state, and what was recorded, stacked (n_steps, …); None for no steps."""
        length = self.plan.slice_steps
        head = min((length - state.lag) % length, n_steps)
        n_full, tail = divmod(n_steps - head, length)
        records = []
        if head:
            state, record = self.steps(state, head)
            records.append(record)
        if n_full:
            state, record = self.slices(state, n_full, checkpoint)
            records.append(record)
        if tail:
            state, record = self.steps(state, tail)
            records.append(record)
        return state, jax.tree.map(lambda *x: jnp.concatenate(x), *records) if records else None

    def steps(self, state: State, n: int, known: Mapping[str, Any] | None = None) -> tuple[State, Any]:
        """`n` steps inside one slice, which is finished if they reach its end. `known`: see `finish_slice`."""

        def one(state: State, _: None) -> tuple[State, Any]:
            state = step(self.plan, self.bound, self.fire, state, known=known)
            return state, self.read(state)

        lag = (state.lag + n) % self.plan.slice_steps
        state, record = lax.scan(one, replace(state, lag=0), None, length=n)
        if lag == 0:
            state = self._finish(state, known)
        return replace(state, lag=lag), record

    def slices(self, state: State, n: int, checkpoint: bool) -> tuple[State, Any]:
        """`n` whole slices; with `checkpoint`, the backward pass keeps states at about sqrt(n) places only."""

        def one(state: State, known: Any) -> tuple[State, Any]:
            return self.steps(state, self.plan.slice_steps, known)

        def many(state: State, k: int) -> tuple[State, Any]:
            state, record = lax.scan(one, state, foreseen(self.plan, self.bound, state.step, k), length=k)
            return state, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), record)

        if not checkpoint or n < 4:
            return many(state, n)
        inner = math.isqrt(n)
        outer, rest = divmod(n, inner)
        block = jax.checkpoint(lambda s, _: many(s, inner))
        state, record = lax.scan(block, state, None, length=outer)
        record = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), record)
        if rest:
            state, more = many(state, rest)
            record = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), record, more)
        return state, record

    def _finish(self, state: State, known: Mapping[str, Any] | None) -> State:
        gather = self.gather
        if gather is None:
            return finish_slice(self.plan, self.bound, state, {}, known=known)[0]

        def finish(state: State) -> State:
            return finish_slice(self.plan, self.bound, state, {}, gathered=gather(state.pending[:, : self.plan.n_sources]))[0]

        return jax.checkpoint(finish, prevent_cse=False)(state)  # gathers again, lest each device keep the spikes of all


def ready(plan: Plan, params: Mapping[str, Any], connections: Mapping[str, Any], state: State) -> tuple[Bound, State]:
    """What depends on the parameters alone, and the state as these want it: what a run begins with."""
    if any(t.model is not None and (t.eager or not plan.dense) for t in plan.tables):
        params = _no_derivative(params)
    bound = bind(plan, params, connections)
    return bound, rebased(plan, params, flush(plan, bound, state))


def sampled(plan: Plan, traces: Mapping[str, Any], first: Any, n_steps: int) -> dict[str, Values]:
    """Of the traces (n_steps, …) of each sampling, the first after step `first`, every `interval`-th."""
    kept = {}
    for s in plan.samplings:
        rows = (-(first + 1) + s.offset) % s.interval + s.interval * jnp.arange(n_steps // s.interval)
        kept[s.key] = traces[s.key] if s.interval == 1 else jax.tree.map(lambda x, r=rows: x[r], traces[s.key])
    return kept


def by_recorder(plan: Plan, samples: Mapping[str, Values]) -> dict[str, Values]:
    """The samples of each multimeter, joined where it read from several groups."""
    parts: dict[str, list[Values]] = {}
    for s in plan.samplings:
        parts.setdefault(s.recorder, []).append(samples[s.key])
    return {name: jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), *several) for name, several in parts.items()}


@jax.custom_vjp
def _no_derivative(params: Any) -> Any:
    """The identity, which refuses to be differentiated: plastic synapses in the event lowering loop over events."""
    return params


def _refuse(params: Any) -> Any:
    raise ConfigurationError(
        "plastic synapses have no derivative with delivery='events'; compile with delivery='dense' to differentiate "
        "(those with e-prop plasticity have none)"
    )


_no_derivative.defvjp(_refuse, lambda residual, cotangent: (cotangent,))
