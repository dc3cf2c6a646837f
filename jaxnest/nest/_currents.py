"""The currents of generators as a multimeter records them: exactly what the generators' own function gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnest._values import Values
from jaxnest.devices._base import Drive, Moment
from jaxnest.nest._clock import Clock
from jaxnest.nest._columns import node_params
from jaxnest.simulation._generators import generate
from jaxnest.simulation._step import bind

if TYPE_CHECKING:
    from jaxnest.nest._engine import Engine
    from jaxnest.nest._ledger import Block


class Currents:
    """Of the generators that are recorded, by block: their states, and the currents (steps, n) of the last run."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._kernel = engine, engine.kernel
        self.states: dict[int, Any] = {}
        self._nodes: dict[int, np.ndarray] = {}
        self._last: dict[int, np.ndarray] = {}
        self._begin = 0
        for _, targets in engine.sampled.values():
            for block, _, places in self._kernel.blocks_of(targets):
                if issubclass(block.model.core, Drive):
                    known = self._nodes.get(block.first, np.zeros(0, np.int64))
                    self._nodes[block.first] = np.union1d(known, places)

    def run(self, steps: int) -> None:
        """Compute the currents of the `steps` steps that come."""
        self._begin = self._kernel.steps
        for first, places in self._nodes.items():
            block = self._kernel.block_of(first)
            if block.model.core.per_target:
                self._last[first] = self._means(first + places, steps)
                continue
            frozen = np.array(block.column("frozen", places))
            self.states[first], self._last[first] = _emitted(
                block, places, self.states.get(first), self._begin, steps, Clock.of(self._kernel), frozen
            )

    def _means(self, ids: np.ndarray, steps: int) -> np.ndarray:
        """The currents (steps, n) of generators that have one for each target, as NEST shows them: their means over the targets."""
        engine = self._engine
        sim, pops = engine.sim, engine.pop_of[ids]
        out = np.zeros((steps, len(ids)))
        for drive in sim.program.plan.drives:
            here = np.flatnonzero([p >= 0 and engine.pops[p].core.name == drive.population for p in pops])
            if not len(here):
                continue
            values = _of_targets(sim, drive, steps)
            device = np.asarray(sim.connections[drive.key].device)
            for i in here:
                mine = device == engine.place_of[ids[i]]
                out[:, i] += values[:, mine].sum(axis=1) / self._n_targets(ids[i])
        return out

    def _n_targets(self, node: int) -> int:
        made = [b.pre == node if b.alive is None else (b.pre == node) & b.alive for b in self._kernel.batches]
        return max(sum(int(m.sum()) for m in made), 1)

    def samples(
        self, setting: tuple[Any, ...], targets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]] | None:
        """For a multimeter (its fields, interval, offset) of `targets`: steps (m,), IDs (n,) and the currents (m, n)."""
        fields, interval, offset = setting
        if not self._nodes or not len(targets):
            return None
        h = self._kernel.resolution
        every, begin = round(interval / h), round(offset / h)
        columns, ids = [], []
        stamps = np.zeros(0, np.int64)
        for block, here, places in self._kernel.blocks_of(targets):
            if block.first not in self._last:
                continue
            values = self._last[block.first]
            stamps = self._begin + 1 + np.arange(len(values))
            rows = (stamps >= begin) & ((stamps - begin) % every == 0)
            stamps = stamps[rows]
            columns.append(values[rows][:, np.searchsorted(self._nodes[block.first], places)])
            ids.append(targets[here])
        if not columns:
            return None
        return stamps, np.concatenate(ids), {f: np.concatenate(columns, axis=1) for f in fields}


def _emitted(
    block: Block, places: np.ndarray, state: Any, begin: int, steps: int, clock: Clock, frozen: np.ndarray
) -> tuple[Any, np.ndarray]:
    """The new state and the currents (steps, n) of generators in the steps from `begin` on; `frozen` ones keep their states."""
    core = block.model.core
    p, h = node_params(block, places, clock), float(clock.ms(1))
    with jax.enable_x64(True):
        values = Values({k: jnp.asarray(v) for k, v in p.items()})
        k = core.constants(values, h)
        if state is None:
            state = Values({name: jnp.full(len(places), float(s.init)) for name, s in core.states.items()})

        def one(s: Any, n: Any) -> Any:
            new, output = core.emit(values, k, s, Moment(n, h, _none, _none, _none))
            return jax.tree.map(lambda now, was: jnp.where(frozen, was, now), new, s), jnp.broadcast_to(output, (len(places),))

        state, out = jax.lax.scan(one, state, jnp.arange(begin, begin + steps, dtype=jnp.int32))
    return state, np.asarray(out)


def _of_targets(sim: Any, drive: Any, steps: int) -> np.ndarray:
    """What a generator will send to each of its targets (steps, n) in the steps that come: the numbers of the simulation itself."""
    plan, state = sim.program.plan, sim.state
    with jax.enable_x64(True):
        bound = bind(plan, sim.params, sim.connections)

        def one(s: Any, n: Any) -> Any:
            s, output = generate(plan, bound, drive, s, state.key, n)
            return s, jnp.broadcast_to(output, (drive.n,))

        begin = int(state.step)
        _, out = jax.lax.scan(one, state.nodes[drive.key], jnp.arange(begin, begin + steps, dtype=jnp.int32))
    return np.asarray(out)


def _none(_: Any) -> Any:
    raise NotImplementedError("a generator whose current is random")
