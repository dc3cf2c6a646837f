"""The ledger compiled to the core: populations by model, projections by synapse model, one recorder for all spikes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxnest.connectivity.rules import explicit
from jaxnest.devices._base import Device, Drive, Recorder, Source
from jaxnest.errors import ConfigurationError, SimulationError
from jaxnest.events import random
from jaxnest.nest._clock import Clock
from jaxnest.nest._columns import PLAIN_FROM, by_sizes, joined, params_of
from jaxnest.nest._errors import NESTErrors
from jaxnest.nest._ledger import Batch, Block
from jaxnest.nest._readout import Readout
from jaxnest.nest._transfer import settled
from jaxnest.neurons._base import Neuron, Routing
from jaxnest.simulation import Network, Nodes, Population, Simulation

if TYPE_CHECKING:
    from jaxnest.nest._kernel import Kernel

#: static connections of one weight and delay are compiled by themselves from this number on
_LARGE = 1 << 14


@dataclass(eq=False)
class Pop:
    """A population of the core and the IDs (n,) of its nodes."""

    core: Population
    ids: np.ndarray


@dataclass(eq=False)
class Wired:
    """A projection of the core, and which connections it has: batches, and in each the places of those alive."""

    name: str
    parts: list[tuple[Batch, np.ndarray]]

    @property
    def n(self) -> int:
        return sum(len(places) for _, places in self.parts)


class Engine:
    """A compiled ledger. `stale` when nodes or connections came or went: then the kernel makes a new one."""

    def __init__(self, kernel: Kernel, *, simulate: bool = True) -> None:
        self.kernel = kernel
        self.stale = False
        self.counted = 0
        self._signs: list[tuple[str, Any]] = []
        self.precise: list[int] = []  # generators whose spikes lie between the points of the grid
        with jax.enable_x64(True):
            try:
                self.net = Network(kernel.resolution, seed=int(kernel.settings.values["rng_seed"]))
            except ConfigurationError as fault:
                text = f"NEST can simulate with a resolution of {kernel.resolution} ms, jaxnest does not yet"
                raise NESTErrors.NotImplemented(f"{text}: {fault}") from None
            self._populations()
            self._projections()
            self._recorders()
            if not simulate:
                return
            try:
                self.sim = Simulation(self.net, seed=int(kernel.settings.values["rng_seed"]), delivery="events")
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
        self._plastic = any(not w.parts[0][0].model.core.static for w in self.wired)
        self._shown: Any = None  # plastic synapses before the spikes of the last slice reached them, as NEST shows them

    # --- building -------------------------------------------------------------------------------------------------

    def _populations(self) -> None:
        """One population for each model and each set of sizes of its lists; generators only if they are connected."""
        k = self.kernel
        used = np.zeros(k.size + 1, bool)
        for b in k.batches:
            used[b.pre if b.alive is None else b.pre[b.alive]] = True
        members: dict[tuple[Any, ...], list[tuple[Block, np.ndarray]]] = {}
        for block in k.blocks:
            core = block.model.core
            places = np.arange(block.n)
            if issubclass(core, Recorder):
                continue
            if issubclass(core, Device):
                places = places[used[block.first + places]]
            if issubclass(core, Source):
                self.precise += [block.first + int(p) for p in places if block.value("precise_times", int(p))]
            for key, chosen in by_sizes(block, places):
                members.setdefault((core, *key), []).append((block, chosen))
        self.pops: list[Pop] = []
        self.pop_of = np.full(k.size + 1, -1, np.int32)
        self.place_of = np.full(k.size + 1, -1, np.int32)
        for (core, *_), parts in members.items():
            ids = np.concatenate([block.first + places for block, places in parts])
            try:
                params = params_of(core, parts, Clock.of(k))
                pop = self.net.create(core, len(ids), name=f"{core.name}#{len(self.pops)}", **params)
            except ConfigurationError as fault:
                raise NESTErrors.BadProperty(str(fault)) from None
            self.pop_of[ids] = len(self.pops)
            self.place_of[ids] = np.arange(len(ids))
            self.pops.append(Pop(pop, ids))
        self._offset = np.cumsum([0, *(len(p.ids) for p in self.pops)])

    def _projections(self) -> None:
        """Static connections are joined by kind; those of each plastic model make a projection of their own."""
        groups: dict[tuple[Any, ...], list[tuple[Batch, np.ndarray]]] = {}
        inputs, input_of = np.unique([_inputs(p.core) for p in self.pops], return_inverse=True)
        for number, batch in enumerate(self.kernel.batches):
            if batch.kind not in ("neurons", "spikes_in", "current_in"):
                continue
            alive = np.arange(len(batch)) if batch.alive is None else np.flatnonzero(batch.alive)
            if not len(alive):
                continue
            plain = batch.model.core.static and batch.model.weight_recorder is None
            large = plain and len(alive) >= _LARGE and np.ndim(batch.weight) == 0 and np.ndim(batch.delay) == 0
            drives = batch.kind != "neurons"
            source = self.pop_of[batch.pre[alive]] if drives else np.zeros(1, np.int32)
            code = source * len(inputs) + input_of[self.pop_of[batch.post[alive]]]
            codes = np.flatnonzero(np.bincount(code))
            for each in codes:
                chosen = alive if len(codes) == 1 else alive[code == each]
                name = "static" if plain else batch.model.name
                pre = int(each) // len(inputs) if drives else -1
                key = (batch.kind, name, pre, inputs[each % len(inputs)], number if large else -1)
                groups.setdefault(key, []).append((batch, chosen))
        self.wired: list[Wired] = []
        self.find: dict[int, list[tuple[int, int, np.ndarray]]] = {}
        for key, parts in groups.items():
            self._project(key, parts)

    def _project(self, key: tuple[Any, ...], parts: list[tuple[Batch, np.ndarray]]) -> None:
        ids = [np.concatenate([side[places] for side, places in zip(sides, (p for _, p in parts), strict=True)])
               for sides in ([b.pre for b, _ in parts], [b.post for b, _ in parts])]  # fmt: skip
        nodes, index = zip(*(self._selection(each) for each in ids), strict=True)
        model = parts[0][0].model
        columns = {name: joined([(b.column(name), places) for b, places in parts])
                   for name in ("weight", "delay", "receptor", *model.parameters)}  # fmt: skip
        receptor = columns.pop("receptor")
        if np.ndim(receptor) and (receptor == receptor[0]).all():
            receptor = int(receptor[0])
        n = len(ids[0])
        if np.ndim(columns["weight"]) == 0 and n < PLAIN_FROM and "weight" not in model.core.common:
            columns["weight"] = np.full(n, columns["weight"])
        extra: dict[str, Any] = {k: model.defaults[k] for k in model.core.common if k != "weight"}
        if model.core.static:
            columns = {k: columns[k] for k in ("weight", "delay")}
            core: Any = "static_synapse"
            extra = {}
        else:
            core = model.core
        name = f"{key[1]}#{len(self.wired)}"
        self._heed_signs(name, columns)
        recorder = None
        if model.weight_recorder is not None:
            recorder = self.net.create("weight_recorder", name=f"weights#{len(self.wired)}")
        try:
            self.net.connect(
                nodes[0], nodes[1], explicit(*index), synapse=core, receptor=receptor, name=name, weight_recorder=recorder,
                **columns, **extra,
            )  # fmt: skip
        except ConfigurationError as fault:
            raise NESTErrors.BadProperty(str(fault)) from None
        start = 0
        for b, places in parts:
            self.find.setdefault(b.number, []).append((len(self.wired), start, places))
            start += len(places)
        self.wired.append(Wired(name, parts))

    def _heed_signs(self, name: str, columns: dict[str, Any]) -> None:
        """Weights whose sign is not that of Wmax: NEST takes them in Connect, the core only when it is compiled."""
        if "Wmax" not in columns:
            return
        weight = columns["weight"]
        wrong = (np.asarray(weight) >= 0) != (np.asarray(columns["Wmax"]) >= 0)
        if wrong.any():
            self._signs.append((name, weight))
            columns["weight"] = np.where(wrong, -np.asarray(weight), weight)
            columns["weight"] = np.where(columns["weight"] == 0, columns["Wmax"], columns["weight"])

    def _selection(self, ids: np.ndarray) -> tuple[Nodes, np.ndarray]:
        """The populations that nodes lie in, as a selection, and the nodes' positions in it."""
        pops = np.flatnonzero(np.bincount(self.pop_of[ids]))
        sizes = [len(self.pops[p].ids) for p in pops]
        starts = np.zeros(len(self.pops), np.int64)
        starts[pops] = np.cumsum([0, *sizes[:-1]])
        nodes = sum((self.pops[p].core for p in pops[1:]), Nodes.of(self.pops[pops[0]].core))
        return nodes, (starts[self.pop_of[ids]] + self.place_of[ids]).astype(np.int32)

    def _recorders(self) -> None:
        """All spikes of neurons are recorded, and those of generators that a spike_recorder listens to."""
        k = self.kernel
        self._all = None
        emitting = [p for p in self.pops if not issubclass(p.core.model, Drive)]
        if emitting:
            self._all = self.net.create("spike_recorder", name="spikes")
            self.net.connect(sum((p.core for p in emitting[1:]), Nodes.of(emitting[0].core)), self._all)
        self.direct: list[tuple[int, int]] = []  # of the drives that are recorded: recorder and generator, by place
        for batch in k.recorded_nodes("spikes"):
            alive = np.arange(len(batch)) if batch.alive is None else np.flatnonzero(batch.alive)
            for i in alive:
                pop = self.pops[self.pop_of[batch.pre[i]]]
                if issubclass(pop.core.model, Drive):
                    one = self.net.create("spike_recorder", name=f"direct#{len(self.direct)}")
                    self.net.connect(pop.core[int(self.place_of[batch.pre[i]])], one)
                    self.direct.append((int(batch.post[i]), int(batch.pre[i])))
        self.samplers: dict[tuple[Any, ...], Population] = {}
        self.sampled: dict[int, tuple[tuple[Any, ...], np.ndarray]] = {}
        wanted: dict[tuple[Any, ...], list[np.ndarray]] = {}
        for batch in k.recorded_nodes("states"):
            alive = np.ones(len(batch), bool) if batch.alive is None else batch.alive
            for node in np.unique(batch.pre[alive]):
                r = k.recorders[int(node)]
                fields = tuple(r.value("record_from"))
                setting = (fields, r.value("interval"), r.value("offset"))
                targets = batch.post[alive & (batch.pre == node)]
                if not fields:
                    continue
                old = self.sampled.get(int(node), (setting, np.zeros(0, np.int32)))[1]
                self.sampled[int(node)] = setting, np.concatenate([old, targets])
                wanted.setdefault(setting, []).append(targets)
        stimulators = np.array([issubclass(p.core.model, Device) for p in self.pops], bool)
        for number, (setting, lists) in enumerate(wanted.items()):
            fields, interval, offset = setting
            ids = np.unique(np.concatenate(lists))
            meter = self.net.create(
                "multimeter", name=f"states#{number}", record_from=list(fields), interval=interval, offset=offset
            )
            ids = ids[self.pop_of[ids] >= 0]  # of generators, `Readout` computes the currents
            ids = ids[~stimulators[self.pop_of[ids]]] if len(ids) else ids
            if not len(ids):
                continue
            nodes, _ = self._selection(ids)
            picked = Nodes(tuple((pop, np.sort(self.place_of[ids[self.pop_of[ids] == self._number(pop)]])) for pop, _ in nodes))
            try:
                self.net.connect(meter, picked)
            except ConfigurationError as fault:
                raise NESTErrors.IllegalConnection(str(fault)) from None
            self.samplers[setting] = meter

    def _number(self, pop: Population) -> int:
        return next(i for i, p in enumerate(self.pops) if p.core is pop)

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
                time = round(steps * self.kernel.resolution, 9)
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
        if "precise_times" in columns:
            self.stale = True
        if not names or issubclass(core, Recorder):
            return
        if any(core.parameters[k].dim is not None for k in names if k in core.parameters) and issubclass(core, Neuron):
            self.stale = True  # lists of another length make another program
        with jax.enable_x64(True):
            for p in np.unique(self.pop_of[ids]):
                if p >= 0:
                    self._write(self.pops[p], block, places, names)

    def _write(self, pop: Pop, block: Block, places: np.ndarray, names: list[str]) -> None:
        core = block.model.core
        parts = [(b, p - b.first) for b, p in self._parts(pop)]
        if issubclass(core, Device):
            wanted = params_of(core, parts, Clock.of(self.kernel))
            try:
                self.sim.set(pop.core, **{k: wanted[k] for k in names if k in wanted})
            except ConfigurationError:  # lists of unequal lengths, the first weights of spikes: another program
                self.stale = True
            return
        sim = self.sim
        for key in names:
            path = f"{pop.core.name}.{key}"
            if key in core.states:
                old = np.array(sim.program.get(sim.state, path))
                here = self.pop_of[block.first + places] == self._number(pop.core)
                old[self.place_of[(block.first + places)[here]]] = block.array(key, places[here])
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
        if state is None:
            state = self._state_shown()
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
        if batch.kind in ("spikes", "states") or batch.number not in self.find:
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


def _inputs(pop: Population) -> str:
    """What connections to nodes of a population have in common: how they are routed, and to how many ports."""
    if not issubclass(pop.model, Neuron):
        return ""
    ports = str(pop.dims.get("ports", "")) if pop.model.routing is Routing.PORTS else ""
    return pop.model.routing.value + ports


__all__ = ["Engine"]
