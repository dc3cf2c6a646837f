"""The compiled ledger while it runs: simulating, and reading and writing what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxnest.devices._base import Device, Recorder
from jaxnest.errors import ConfigurationError, SimulationError
from jaxnest.events import random
from jaxnest.nest._clock import Clock
from jaxnest.nest._columns import joined, params_of
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._layout import Layout, Pop
from jaxnest.nest._ledger import Batch, Block
from jaxnest.nest._models import RENEWED
from jaxnest.nest._readout import Readout
from jaxnest.nest._transfer import compiled_update, settled
from jaxnest.neurons._base import Neuron
from jaxnest.simulation import Simulation

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel


class Engine(Layout):
    """A compiled ledger, running. `stale` when nodes or connections came or went: then the kernel makes a new one."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.stale = False
        self.counted = 0
        with jax.enable_x64(True):
            try:
                self._modulated = any(w.parts[0][0].model.core.reads_modulator for w in self.wired)
                options: dict[str, Any] = {"min_delay": kernel.min_delay} if self._modulated else {}
                options["relaxation"] = kernel.settings.relaxation
                if kernel.froze:
                    options["waiting"] = kernel.min_delay + kernel.max_delay
                self.sim = Simulation(self.net, seed=int(kernel.settings.values["rng_seed"]), delivery="events", **options)
            except ConfigurationError as fault:
                raise NESTErrors.BadProperty(str(fault)) from None
        self.sources = self._source_ids()
        with jax.enable_x64(True):
            for name, weight in self._signs:
                order = self.sim.program.order_of(name)
                column = np.broadcast_to(weight, len(order))[order]
                self.sim.state = _copy(self.sim.program.set(self.sim.state, {f"{name}.weight": column}))
        self.last_spike = np.full(kernel.size + 1, -1)  # in steps
        self.readout = Readout(self)
        self._plastic = any(w.parts[0][0].model.core.states for w in self.wired)
        self._shown: Any = None  # plastic synapses before the spikes of the last slice reached them, as NEST shows them

    def _source_ids(self) -> np.ndarray:
        """The ID of the node behind each source of the program (n_sources,); of recorded drives minus their place - 1."""
        plan = self.sim.program.plan
        by_first = {p.core.first: p for p in self.pops}
        firsts = np.array(sorted(by_first))
        ids = np.zeros(plan.n_sources, np.int64)
        if len(firsts):
            at = np.searchsorted(firsts, plan.source_ids, side="right") - 1
            for k, first in enumerate(firsts):
                here = at == k
                ids[here] = by_first[int(first)].ids[plan.source_ids[here] - first]
        for d in plan.drives:
            if d.source >= 0:
                number = int(d.key.split("<-")[0].split("#")[1])
                ids[d.source : d.source + d.n] = -1 - number
        return ids

    # --- running --------------------------------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """Simulate, and give the recorders what they recorded."""
        self.readout.currents.run(steps)
        ahead = (self.kernel.steps + steps - 1) // self.readout.slice_steps * self.readout.slice_steps - self.kernel.steps
        if self._plastic and ahead >= 0:
            self._advance(ahead)
            early = int(self.sim.state.step) % self.sim.program.plan.slice_steps  # of the core's slices
            with jax.enable_x64(True):
                self._shown = settled(self).tables if early else _copy(self.sim.state.tables)
            self._advance(steps - ahead)
            if self._modulated and int(self.sim.state.step) % self.sim.program.plan.slice_steps == 0:
                with jax.enable_x64(True):
                    update = compiled_update(self.sim.program.plan)
                    self._shown = self._shown | update(self.sim.params, self.sim.connections, self._state_shown())
        else:
            self._advance(steps)
        self.kernel.steps += steps
        taken = self.sim.take()
        step, source, count = taken.spikes
        self.readout.give_spikes(step, source, count, steps)
        self.readout.give_samples(taken.samples)
        self.readout.give_weights(taken.trails)

    def _advance(self, steps: int) -> None:
        try:
            with jax.enable_x64(True):
                time = steps * self.kernel.resolution
                self.sim.run(time, progress=bool(self.kernel.settings.values["print_time"]))
        except SimulationError as fault:
            raise NESTErrors.NumericalInstability(str(fault)) from None

    def ids_of(self, core: np.ndarray) -> np.ndarray:
        """IDs of nodes from the core's identities."""
        out = np.zeros(len(core), np.int64)
        for p in self.pops:
            here = (core >= p.core.first) & (core < p.core.first + p.core.n)
            out[here] = p.ids[core[here] - p.core.first]
        return out

    # --- live values ----------------------------------------------------------------------------------------------

    def holds(self, block: Block) -> bool:
        """Whether (some of) the nodes of a block are in the program."""
        return bool((self.pop_of[block.first : block.first + block.n] >= 0).any()) if block.first < len(self.pop_of) else False

    def read(self, block: Block, key: str, places: np.ndarray) -> list[Any] | None:
        """The present values of a state, None for what is no state."""
        if key == "t_spike":
            last = self.last_spike[block.first + places]
            return np.where(last < 0, -1.0, Clock.of(self.kernel).ms(last)).tolist()
        if key not in block.model.states:
            return None
        ids = block.first + places
        pops = self.pop_of[ids]
        out: list[Any] = [None] * len(ids)
        with jax.enable_x64(True):
            for p in np.unique(pops):
                here = np.flatnonzero(pops == p)
                values = np.asarray(self.sim.program.get(self.sim.state, f"{self.pops[p].core.name}.{key}"))
                mine = values[..., self.place_of[ids[here]]].T
                for i, v in zip(here.tolist(), mine.tolist() if mine.ndim == 1 else mine, strict=True):
                    out[i] = v
        return out

    def write(self, block: Block, places: np.ndarray, columns: Mapping[str, tuple[Any, bool]]) -> None:
        """Bring parameters and states of nodes into the program."""
        core, ids = block.model.core, block.first + places
        names = [k for k in columns if k in core.parameters or k in block.model.states or k in getattr(core, "options", ())]
        if "precise_times" in columns or ("frozen" in columns and (self.kernel.frozen[ids] != self.frozen[ids]).any()):
            self.stale = True
        if not (names or core.name in RENEWED) or issubclass(core, Recorder):
            return
        renewal = RENEWED.get(core.name)
        renewed = {} if renewal is None or (renewal[2] and renewal[2] not in columns) else {renewal[0]: renewal[1]}
        if any(core.parameters[k].dim is not None for k in names if k in core.parameters) and issubclass(core, Neuron):
            self.stale = True  # lists of another length make another program
        with jax.enable_x64(True):
            for p in np.unique(self.pop_of[ids]):
                if p >= 0:
                    self._write(self.pops[p], block, places, names, renewed)

    def _write(self, pop: Pop, block: Block, places: np.ndarray, names: list[str], renewed: Mapping[str, float]) -> None:
        core = pop.core.model
        parts = [(b, p - b.first) for b, p in self._parts(pop)]
        if issubclass(core, Device) and not issubclass(core, Neuron):
            wanted = params_of(core, parts, Clock.of(self.kernel))
            try:
                self.sim.set(pop.core, **{k: wanted[k] for k in names if k in wanted})
            except ConfigurationError:  # lists of unequal lengths, the first weights of spikes: another program
                self.stale = True
            return
        sim = self.sim
        for key in (*names, *renewed):
            path = f"{pop.core.name}.{key}"
            if key in core.states:
                old = np.array(sim.program.get(sim.state, path))
                here = self.pop_of[block.first + places] == self._number(pop.core)
                new = renewed[key] if key in renewed else block.array(key, places[here])
                old[self.place_of[(block.first + places)[here]]] = new
                sim.state = sim.program.set(sim.state, {path: old})
            elif core.parameters.get(key) is not None and core.parameters[key].dim is None:
                column = params_of(core, parts, Clock.of(self.kernel))[key]
                sim.params = sim.program.set(sim.params, {path: column})
        sim.state = _copy(sim.state)

    def _parts(self, pop: Pop) -> list[tuple[Block, np.ndarray]]:
        found = []
        for block, here, _ in self.kernel.blocks_of(pop.ids):
            found.append((block, pop.ids[here]))
        return found

    def connection_values(self, batch: Batch, key: str, state: Any = None) -> np.ndarray | None:
        """The values (n,) in `state` (the present one) of a property that changes in the run (NaN: connections that are not
        in the program), None for one that does not change."""
        core = batch.model.core
        if core.static or (key not in core.states) or batch.number not in self.find:
            return None
        out = np.full(len(batch), np.nan)
        if state is None:  # what goes to recorders is there at once, in NEST
            with jax.enable_x64(True):
                state = settled(self) if batch.kind == "spikes" else self._state_shown()
        with jax.enable_x64(True):
            for number, start, places in self.find[batch.number]:
                wired = self.wired[number]
                values = np.empty(wired.n)
                values[self.sim.program.order_of(wired.name)] = np.asarray(self.sim.program.get(state, f"{wired.name}.{key}"))
                out[places] = values[start : start + len(places)]
        return out

    def _state_shown(self) -> Any:
        return self.sim.state if self._shown is None else replace(self.sim.state, tables=self._shown)

    def write_connections(self, batch: Batch, key: str) -> None:
        """Bring a property of connections into the program."""
        if batch.number not in self.find:
            return
        if key in ("delay", "receptor"):
            self.stale = True
            return
        core = batch.model.core
        with jax.enable_x64(True):
            for number, _, _ in self.find[batch.number]:
                wired = self.wired[number]
                live = key in core.states and not core.static
                order = self.sim.program.order_of(wired.name)
                column = joined([(b.column(key), places) for b, places in wired.parts])
                if live:  # of the other batches the ledger does not know the present values
                    column = np.array(np.broadcast_to(column, wired.n))
                    now = np.empty(wired.n)
                    now[order] = np.asarray(self.sim.program.get(self.sim.state, f"{wired.name}.{key}"))
                    others = np.concatenate([np.full(len(places), b is not batch) for b, places in wired.parts])
                    column[others] = now[others]
                if np.ndim(column):
                    column = np.asarray(column)[order]
                path = f"{wired.name}.{key}"
                if live:
                    self.sim.state = self.sim.program.set(self.sim.state, {path: column})
                    if self._shown is not None:
                        self._shown = self.sim.program.set(self._state_shown(), {path: column}).tables
                else:
                    self.sim.params = self.sim.program.set(self.sim.params, {path: column})
            self.sim.state = _copy(self.sim.state)

    def reseed(self) -> None:
        key = random.key_from_seed(int(self.kernel.settings.values["rng_seed"]))
        self.sim.state = jax.tree.map(lambda x: x, self.sim.state)
        object.__setattr__(self.sim.state, "key", key)


def _copy(tree: Any) -> Any:
    with jax.enable_x64(True):
        return jax.tree.map(lambda x: jax.numpy.array(x, copy=True), tree)
